package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func ExampleDir() {
	dir, err := os.MkdirTemp("", "exchange")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{"api-key": "my-id", "api-secret": "my-secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			panic(err)
		}
	}

	keys, err := ring.Keep(context.Background(), file.Dir(dir), ring.WithLogger(nil))
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	key, err := keys.InUse()
	if err != nil {
		panic(err)
	}
	fmt.Println(key.ID, key.Secret)
	// Output: my-id [redacted]
}
