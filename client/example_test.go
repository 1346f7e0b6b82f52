package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// keyFile is the path of a key file in a temporary directory.
type keyFile string

func newKeyFile(content string) keyFile {
	dir, err := os.MkdirTemp("", "rollingkeys-example-")
	if err != nil {
		log.Fatal(err)
	}
	f := keyFile(filepath.Join(dir, "api-key"))
	f.replace(content)
	return f
}

func (f keyFile) replace(content string) {
	if err := os.WriteFile(string(f)+".tmp", []byte(content), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(string(f)+".tmp", string(f)); err != nil {
		log.Fatal(err)
	}
}

func (f keyFile) remove() { _ = os.RemoveAll(filepath.Dir(string(f))) }

// The server drops the old key at once. The file gets the new key a moment
// later. No request fails.
func Example() {
	api, err := mockapi.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer api.Close()
	key := newKeyFile(api.Issue(mockapi.Spec{}).Secret.Expose())
	defer key.remove()

	c, err := client.New(context.Background(), file.New(string(key)), client.WithOrigin(api.URL()))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	get := func() {
		resp, err := c.Get(api.URL() + "/v1/things")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	get()
	next := api.Rotate(0)
	time.AfterFunc(50*time.Millisecond, func() { key.replace(next.Secret.Expose()) })
	get()
	// Output:
	// 200 OK
	// 200 OK
}

// A process serves its status, notifies an operator of problems, and tells which
// keys are safe to revoke.
func ExampleClient_Status() {
	keys := newKeyFile(`{"keys":[{"version":"v2","secret":"sentinel-new"},{"version":"v1","secret":"sentinel-old"}]}`)
	defer keys.remove()
	c, err := client.New(context.Background(), file.New(string(keys), file.WithDecoder(source.Document)),
		client.WithOrigin("https://api.example.com"))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	mux, page := http.NewServeMux(), func(ring.Event) {}
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(c.Status()) })
	c.Ring().Subscribe(func(e ring.Event) {
		switch e.Kind {
		case ring.AllRefused, ring.NoKey, ring.Stale, ring.Expiring, ring.Degraded:
			page(e)
		}
	})
	for _, v := range c.Status().Versions {
		fmt.Printf("%s is %s, safe to revoke: %t, as %s\n", v.Version, v.Role, v.SafeToRevoke, v.Reason)
	}
	// Output:
	// v2 is current, safe to revoke: false, as it is current
	// v1 is previous, safe to revoke: false, as the current version has not been accepted
}
