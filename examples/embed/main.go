// Embed puts the keys into an http.Client that a program has already: its own
// base transport below, whatever it likes around.
//
//	go run ./examples/embed
//
// It mounts a key in a temporary file, rotates it under the client, and prints
// which version each answer came to.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	api, err := mockapi.Start() // stands for the API that you call
	if err != nil {
		return err
	}
	defer api.Close()
	dir, err := os.MkdirTemp("", "rollingkeys-embed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "api-key")
	if err := mount(path, api.Issue(mockapi.Spec{})); err != nil {
		return err
	}

	// From here on it is what a program of yours would do.
	keys, err := ring.Keep(ctx, file.New(path))
	if err != nil {
		return err
	}
	defer keys.Close()
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 16
	client := &http.Client{
		Transport: transport.New(keys, transport.Bearer(), transport.WithBase(base), transport.WithOrigin(api.URL())),
		Timeout:   10 * time.Second,
	}

	for range 3 {
		for range 2 {
			ctx, seen := transport.Observe(ctx)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL()+"/things", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			if err := resp.Body.Close(); err != nil {
				return err
			}
			fmt.Printf("%s with version %s, sent %d time(s)\n", resp.Status, seen.Version(), seen.Attempts())
		}
		// The server drops the old key before the file has the new one: the next
		// request is refused, and answered all the same.
		next := api.Rotate(0)
		time.AfterFunc(200*time.Millisecond, func() { _ = mount(path, next) })
	}
	return nil
}

// mount replaces the file the way a file should be replaced: by a rename.
func mount(path string, key source.Key) error {
	if err := os.WriteFile(path+".tmp", []byte(key.Secret.Expose()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
