package vault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/vault"
	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

// A node is an HTTP server in the place of Vault.
type node struct {
	*httptest.Server
	asked atomic.Int64
}

func newNode(t *testing.T, start func(http.Handler) *httptest.Server, answer http.HandlerFunc) *node {
	t.Helper()
	n := new(node)
	n.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

// source returns a source that sends its requests to the node, with the token of the login.
func (n *node) source(t *testing.T, opts ...vault.Option) *vault.Source {
	t.Helper()
	transport := n.Client().Transport.(*http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	src, err := vault.New(vaulttest.Client(t, n.URL, "token", transport), "secret", "key", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// onSubscription passes subscriptions to answer, and answers 404 to all other requests.
func onSubscription(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != subscription {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w, r)
	}
}

func to(n *node) http.HandlerFunc {
	return onSubscription(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", n.URL+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
}

func accept(w http.ResponseWriter, r *http.Request) {
	if conn, err := websocket.Accept(w, r, nil); err == nil {
		defer func() { _ = conn.CloseNow() }()
		<-conn.CloseRead(context.Background()).Done()
	}
}

// armed runs Notify until it has subscribed, or returns Notify's error.
func armed(t *testing.T, src *vault.Source) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	heard := false
	err := src.Notify(ctx, func() { heard = true; cancel() })
	if err == nil && !heard {
		t.Error("Notify ended without a word")
	}
	return err
}

// F12, F84: a standby node redirects to the active node. The source follows one redirect, and
// none from https to http. If it does not follow a redirect, Notify returns an error.
func TestFollowsAStandby(t *testing.T) {
	var got atomic.Pointer[http.Request]
	active := newNode(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Clone(context.Background()))
		accept(w, r)
	})
	standby := newNode(t, httptest.NewServer, to(active))
	if err := armed(t, standby.source(t)); err != nil {
		t.Fatal(err)
	}
	if r := got.Load(); r.Header.Get("X-Vault-Token") != "token" || r.URL.Path != subscription || r.URL.RawQuery != "json=true" || r.Host != active.Listener.Addr().String() {
		t.Errorf("the active node was asked for %s at %s", r.URL.RequestURI(), r.Host)
	}
	before := active.asked.Load()
	for name, first := range map[string]*node{
		"twice":         newNode(t, httptest.NewServer, to(standby)),
		"https to http": newNode(t, httptest.NewTLSServer, to(active)),
	} {
		if err := armed(t, first.source(t)); !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if active.asked.Load() != before {
			t.Errorf("%s: it was followed", name)
		}
	}
}

// F77: if a server refuses a subscription with Retry-After, the ring gets the wait.
func TestSubscribesWhenToldTo(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		n := newNode(t, httptest.NewServer, onSubscription(plainly(answers(code, "", "Retry-After", "7"))))
		err := armed(t, n.source(t))
		if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.RetryAfter != 7*time.Second || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%d: %v, %+v", code, err, typed)
		}
	}
}

// F88: a 401 is about the token, as a 403 is, and the source gets another token.
func TestNotAuthorized(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Vault-Token") != "second":
			write("second")
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == subscription:
			accept(w, r)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	write("first")
	if err := armed(t, n.source(t, vault.WithLogin(vault.TokenFile(file)))); err != nil {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// F75, F87: a request with which Notify renews the token is never answered. Readings still
// succeed, and Notify returns an error in the end.
func TestReadsWhileNotifyHangs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		lookups := 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			code, body := http.StatusOK, ""
			switch r.URL.Path {
			case "/v1/secret/metadata/key":
				body = `{"data":{"versions":{"1":{"created_time":"2026-01-01T00:00:00Z"}}}}`
			case "/v1/secret/data/key":
				body = `{"data":{"data":{"secret":"one"},"metadata":{"created_time":"2026-01-01T00:00:00Z","version":1}}}`
			case "/v1/auth/token/lookup-self":
				if lookups++; lookups > 1 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				body = `{"data":{"ttl":0}}`
			default:
				code = http.StatusForbidden
			}
			return &http.Response{
				StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(body)),
			}, nil
		})
		config := api.DefaultConfig()
		config.Address, config.HttpClient = "http://127.0.0.1:1", &http.Client{Transport: transport}
		client, err := api.NewClient(config)
		if err != nil {
			t.Fatal(err)
		}
		src, err := vault.New(client, "secret", "key", vault.WithLogin(vault.TokenFile(file)))
		if err != nil {
			t.Fatal(err)
		}
		storetest.Read(t, src, 1)
		ended := make(chan error)
		go func() { ended <- src.Notify(t.Context(), func() {}) }()
		synctest.Wait()
		if lookups != 2 {
			t.Fatalf("%d look-ups, want that of Notify, which hangs", lookups)
		}
		reading, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := src.Read(reading); err != nil {
			t.Errorf("Read: %v", err)
		}
		if err := <-ended; !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("Notify: %v", err)
		}
	})
}
