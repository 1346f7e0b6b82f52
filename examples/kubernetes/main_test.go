package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The program runs with the environment of deployment.yaml, and its probes report
// the state of its keys.
func TestProgram(t *testing.T) {
	api := mockapi.New(t)
	path := filepath.Join(t.TempDir(), "api-key")
	if err := os.WriteFile(path, []byte(api.Issue(mockapi.Spec{}).Secret.Expose()), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Setenv("UPSTREAM_KEY_SOURCE", "file://"+path+"?overlap=1h")
	t.Setenv("UPSTREAM_ORIGIN", api.URL())
	t.Setenv("UPSTREAM_PATH", "/v1/things")
	t.Setenv("INTERVAL", "10ms")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }()

	base := "http://" + listener.Addr().String()
	var status ring.Status
	for status.Current.Accepted < 3 {
		resp, err := http.Get(base + "/keys") // waits in the listener's queue until the server is up
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(resp.Body).Decode(&status)
		_ = resp.Body.Close()
		if err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
	}
	resp, err := http.Get(base + "/healthz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %v", err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
