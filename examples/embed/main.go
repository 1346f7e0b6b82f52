// Embed adds rotating keys to an http.Client that a program already has, with a
// base transport of its own.
//
//	go run ./examples/embed
//
// It writes a key to a temporary file, rotates the key while the client is in use,
// and prints the version that each answered request carried.
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
	api, err := mockapi.Start() // in place of the API that you call
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

	// A program of yours would begin here.
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
			fmt.Printf("%s with version %s, attempts: %d\n", resp.Status, seen.Version(), seen.Attempts())
		}
		// The server drops the old key before the file has the new one. The next
		// request is refused, waits for the new key, and is answered.
		next := api.Rotate(0)
		time.AfterFunc(200*time.Millisecond, func() { _ = mount(path, next) })
	}
	return nil
}

// mount replaces the file by a rename, so that no reader sees half of it.
func mount(path string, key source.Key) error {
	if err := os.WriteFile(path+".tmp", []byte(key.Secret.Expose()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
