package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The readiness probe passes while there is a key to send, whatever is degraded, and says
// what is.
//
// F132
func TestReadiness(t *testing.T) {
	api := mockapi.New(t)
	path := filepath.Join(t.TempDir(), "api-key")
	if err := os.WriteFile(path, []byte(api.Issue(mockapi.Spec{}).Secret.Expose()), 0o400); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(t.Context(), file.New(path), client.WithOrigin(api.URL()),
		client.WithRing(ring.WithStaleAfter(time.Nanosecond), ring.WithRefusalWait(0), ring.WithLogger(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	probe := func(want int, reason string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler(c).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if text := w.Body.String(); w.Code != want || !strings.Contains(text, "healthy: false") || !strings.Contains(text, reason) {
			t.Errorf("%d %s, want %d and %q", w.Code, text, want, reason)
		}
	}
	get := func(want int) {
		t.Helper()
		resp, err := c.Get(api.URL() + "/v1/things")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("status %d, want %d", resp.StatusCode, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if c.Refresh(t.Context()) == nil {
		t.Fatal("the file can be read")
	}
	get(http.StatusOK)
	probe(http.StatusOK, "the source was last read at")
	version := c.Status().Current.Version
	if err := api.Revoke("v1"); err != nil {
		t.Fatal(err)
	}
	get(http.StatusUnauthorized)
	probe(http.StatusOK, "the server refuses every key")
	if err := c.Ring().Revoke(version); err != nil {
		t.Fatal(err)
	}
	probe(http.StatusServiceUnavailable, "requests fail until there is a key")
}

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
	resp, err := http.Get(base + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("readyz: %v", err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
