package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
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

	ring, err := source.Keep(context.Background(), file.Dir(dir), source.WithLogger(nil))
	if err != nil {
		panic(err)
	}
	defer ring.Close()
	key, err := ring.InUse()
	if err != nil {
		panic(err)
	}
	fmt.Println(key.ID, key.Secret)
	// Output: my-id [redacted]
}
