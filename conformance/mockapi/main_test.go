package mockapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// TestMain runs Program instead of the tests if a test has started this binary. F104
func TestMain(m *testing.M) {
	if os.Getenv("MOCKAPI_PROGRAM") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		err := mockapi.Program(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// answer is a response with its body.
type answer struct {
	Status  int
	Header  http.Header
	Proto   string
	Body    string
	Version string // from the JSON echo
	Replica string
}

// send sends one request, to any URL.
func send(t testing.TB, c *http.Client, r *http.Request) answer {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: body: %v", r.Method, r.URL.Path, err)
	}
	a := answer{
		Status: resp.StatusCode, Header: resp.Header, Proto: resp.Proto, Body: string(body),
		Replica: resp.Header.Get(mockapi.ReplicaHeader),
	}
	var echo struct{ Version string }
	if json.Unmarshal(body, &echo) == nil {
		a.Version = echo.Version
	}
	return a
}

// request makes a request with the key as a Bearer token. headers are pairs of name
// and value.
func request(t testing.TB, method, url string, key source.Key, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if !key.Secret.IsZero() {
		r.Header.Set("Authorization", "Bearer "+key.Secret.Expose())
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func get(t testing.TB, api *mockapi.API, key source.Key, headers ...string) answer {
	t.Helper()
	return send(t, api.Client(), request(t, http.MethodGet, api.URL()+"/x", key, nil, headers...))
}

// status fails the test unless a request with the key gets the status want.
func status(t testing.TB, api *mockapi.API, key source.Key, want int, headers ...string) {
	t.Helper()
	if got := get(t, api, key, headers...); got.Status != want {
		t.Fatalf("%s: status %d, want %d", key.Version, got.Status, want)
	}
}

// post sends JSON, decodes the response into out, and returns the status.
func post(t testing.TB, url, body string, out any) int {
	t.Helper()
	r := request(t, http.MethodPost, url, source.Key{}, bytes.NewBufferString(body))
	a := send(t, http.DefaultClient, r)
	if out != nil {
		if err := json.Unmarshal([]byte(a.Body), out); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
	}
	return a.Status
}

// within returns a context that ends a test that hangs; no test measures time.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func noSecret(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, mockapi.Sentinel) {
		t.Errorf("%s contains a secret", what)
	}
}
