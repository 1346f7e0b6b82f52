package transport_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// doer is the next function in an SDK's chain of middlewares: its own http.Client.
func doer(c *http.Client) func(*http.Request) (*http.Response, error) { return c.Do }

// A middleware attaches the key and falls back like the transport, whatever next sends
// by. The SDK's dummy key is in the header.
//
// F113, F116
func TestMiddleware(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		mw := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithOverride(),
			transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) {
				t.Error("the base was used in place of next")
				return nil, errBase
			})))
		next := doer(&http.Client{Transport: srv.base(t)})
		ctx, seen := transport.Observe(t.Context())
		req := request(t, http.MethodPost, srv.URL, strings.NewReader("order")).WithContext(ctx)
		req.Header.Set("Authorization", "Bearer "+dummy)
		resp, err := mw.Middleware(req, next)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "order" || resp.Request != req || seen.Attempts() != 2 || seen.Version() != "v1" {
			t.Errorf("body %q, %d attempts, version %q", body, seen.Attempts(), seen.Version())
		}
		g.wantVersions(t, "v2", "v1")
	})
}

// The handshake of a WebSocket library falls back, although its answer comes with an
// error.
//
// F118
func TestMiddlewareOfADialer(t *testing.T) {
	mw := transport.New(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithOrigin("https://api.example.com"))
	var sent []string
	dial := func(h http.Header) (*http.Response, error) { // as gorilla/websocket does
		sent = append(sent, strings.TrimPrefix(h.Get("Authorization"), "Bearer "+sentinel))
		if !strings.HasSuffix(h.Get("Authorization"), "v1") {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("no"))}, errors.New("bad handshake")
		}
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: http.NoBody}, nil
	}
	req := get(t, "wss://api.example.com/stream")
	resp, err := mw.Middleware(req, func(out *http.Request) (*http.Response, error) { return dial(out.Header) })
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || strings.Join(sent, " ") != "v2 v1" {
		t.Fatalf("%v, %v, sent %q", resp, err, sent)
	}
	if _, err := mw.Middleware(get(t, "ws://api.example.com/stream"), func(*http.Request) (*http.Response, error) {
		t.Error("the key went over a connection without TLS")
		return nil, errBase
	}); !errors.Is(err, transport.ErrInsecure) {
		t.Errorf("error %v", err)
	}
	// If the answer is not a refusal, the caller gets the error.
	failed := errors.New("no upgrade")
	if _, err := mw.Middleware(get(t, "wss://api.example.com/"), func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, failed
	}); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

// An SDK's own http.Client follows redirects below a middleware. With CheckRedirect the
// redirect has no key. Without it the request fails with an error.
//
// F53
func TestMiddlewareAndRedirects(t *testing.T) {
	var mu sync.Mutex
	var elsewhere []string
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		elsewhere = append(elsewhere, r.Header.Get("X-Api-Key"))
	}))
	defer other.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/out":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/in":
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/here":
			if r.Header.Get("X-Api-Key") == "" {
				t.Error("a redirect within the origin lost the key")
			}
		}
	}))
	defer srv.Close()
	base := srv.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	defer base.CloseIdleConnections()
	mw := transport.New(keep(t, newStore("v1")), transport.Header("X-Api-Key"), transport.WithOrigin(srv.URL))
	safe := doer(&http.Client{Transport: base, CheckRedirect: mw.CheckRedirect})
	for path, want := range map[string]int{"/out": 1, "/in": 1} {
		resp, err := mw.Middleware(get(t, srv.URL+path), safe)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", path, resp, err)
		}
		resp.Body.Close()
		_ = want
	}
	if len(elsewhere) != 1 || elsewhere[0] != "" {
		t.Errorf("%d requests elsewhere, one with the key", len(elsewhere))
	}
	if _, err := mw.Middleware(get(t, srv.URL+"/round"), safe); err == nil {
		t.Error("redirects without an end")
	}
	resp, err := mw.Middleware(get(t, srv.URL+"/out"), doer(&http.Client{Transport: base}))
	if !errors.Is(err, transport.ErrOrigin) || !strings.Contains(err.Error(), "CheckRedirect") {
		t.Errorf("%v, error %v", resp, err)
	}
}

// F109
func TestMiddlewareOfNothing(t *testing.T) {
	for name, mw := range map[string]*transport.Transport{"nil": nil, "zero": {}, "unusable": unbound(nil, transport.Bearer())} {
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, "https://api.example.com", body)
		if _, err := mw.Middleware(req, func(*http.Request) (*http.Response, error) { return nil, errBase }); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%s: error %v", name, err)
		}
		if body.closed.Load() == 0 {
			t.Errorf("%s: the body is open", name)
		}
		if _, err := mw.Sign(get(t, "https://api.example.com")); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	mw := unbound(quiet(t, newStore("v1")), transport.Bearer())
	if _, err := mw.Middleware(get(t, "https://api.example.com"), nil); err == nil {
		t.Error("no error without next")
	}
	if err := (*transport.Transport)(nil).CheckRedirect(get(t, "https://a.example"), nil); err == nil {
		t.Error("a redirect of nothing")
	}
}
