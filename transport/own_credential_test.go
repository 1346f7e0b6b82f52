package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A transport above puts its key in another place. The caller's own credential is still
// an error.
//
// F113
func TestStackedElsewhere(t *testing.T) {
	var got string
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Header.Get("Authorization")
		return status(http.StatusOK), nil
	})
	api := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(base))
	gateway := unbound(quiet(t, newStore("v1")), transport.Header("X-Gateway-Key"), transport.WithBase(api))
	req := get(t, "https://api.example.com")
	req.Header.Set("Authorization", "Bearer "+dummy)
	resp, err := gateway.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		t.Errorf("the caller's credential went out without a word: %v", strings.Contains(got, dummy))
	}
}

// Below a middleware the http.Client follows redirects. The key is neither in a Referer
// nor in a Location that repeats the query.
//
// F113
func TestMiddlewareQueryRedirect(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Referer()+" "+r.URL.String())
	}))
	defer other.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/repeat" {
			http.Redirect(w, r, other.URL+"/?"+r.URL.RawQuery, http.StatusFound)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer srv.Close()
	base := srv.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	defer base.CloseIdleConnections()
	mw := transport.New(keep(t, newStore("v1")), transport.Query("api_key"), transport.WithOrigin(srv.URL))
	for _, path := range []string{"/", "/repeat"} {
		seen = nil
		resp, err := mw.Middleware(get(t, srv.URL+path), doer(&http.Client{Transport: base, CheckRedirect: mw.CheckRedirect}))
		if err == nil {
			resp.Body.Close()
		}
		for _, s := range seen {
			ref, url, _ := strings.Cut(s, " ")
			if strings.Contains(ref, sentinel) {
				t.Errorf("%s: the key went elsewhere in the Referer", path)
			}
			if strings.Contains(url, sentinel) {
				t.Errorf("%s: the key went elsewhere in the URL", path)
			}
		}
	}
}

// A redirect that leaves the origins and comes back is reported too.
//
// F113
func TestMiddlewareRoundTripElsewhere(t *testing.T) {
	var back string
	leaked := false
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked = leaked || r.Header.Get("X-Api-Key") != ""
		http.Redirect(w, r, back, http.StatusFound)
	}))
	defer other.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/out" {
			http.Redirect(w, r, other.URL, http.StatusFound)
		}
	}))
	defer srv.Close()
	back = srv.URL + "/here"
	base := srv.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	defer base.CloseIdleConnections()
	mw := transport.New(keep(t, newStore("v1")), transport.Header("X-Api-Key"), transport.WithOrigin(srv.URL))
	resp, err := mw.Middleware(get(t, srv.URL+"/out"), doer(&http.Client{Transport: base}))
	if err == nil {
		resp.Body.Close()
		if leaked {
			t.Error("the key went elsewhere, and nobody says so")
		}
	}
}

type fixedSource struct{ set source.Set }

func (f fixedSource) Read(context.Context) (source.Set, error) { return f.set, nil }

// If versions share an id, the secret tells which of them the caller uses.
//
// F113
func TestCallersKeyOfOneID(t *testing.T) {
	ring := quiet(t, fixedSource{source.Set{Complete: true, Keys: []source.Key{
		{Version: "v2", ID: "account-4711", Secret: source.NewSecret(sentinel + "two")},
		{Version: "v1", ID: "account-4711", Secret: source.NewSecret(sentinel + "one")},
	}}})
	rt := unbound(ring, transport.Headers(map[string]string{"X-Account": "id", "X-Secret": "secret"}), transport.WithPassThrough(),
		transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) { return status(200), nil })))
	req := get(t, "https://api.example.com")
	req.Header.Set("X-Account", "account-4711")
	req.Header.Set("X-Secret", sentinel+"one")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	st := ring.Status()
	if st.Versions[1].Requests != 1 || st.Versions[0].Requests != 0 {
		t.Errorf("v2 has %d requests, v1 has %d: the caller's was v1", st.Versions[0].Requests, st.Versions[1].Requests)
	}
	// while a secret is used that the ring does not know, no version is safe to revoke
	req = get(t, "https://api.example.com")
	req.Header.Set("X-Account", "account-4711")
	req.Header.Set("X-Secret", "sentinel-zero")
	if resp, err = rt.RoundTrip(req); err == nil {
		resp.Body.Close()
	}
	if n := ring.Status().Callers.Requests; n != 1 {
		t.Errorf("%d requests with a key that the ring does not know, want 1", n)
	}
}

// A dummy never reaches the server, whatever the spelling of the query or header.
//
// F113
func TestOverrideSpellings(t *testing.T) {
	for name, c := range map[string]struct {
		scheme transport.Scheme
		url    string
		own    func(*http.Request)
	}{
		"bad escape":           {transport.Query("api_key"), "https://api.example.com/?api_key=" + dummy + "%zz", nil},
		"semicolon":            {transport.Query("api_key"), "https://api.example.com/?api_key=" + dummy + ";a=1", nil},
		"header, another case": {transport.Header("X-Api-Key"), "https://api.example.com/", header("X-API-Key", dummy)},
		"Kraken's own spelling": {provider.Kraken().Scheme, "https://api.example.com/0/private/Balance",
			header("API-Key", dummy)},
		"content type in lower case": {provider.Slack().Scheme, "https://api.example.com/api/x", func(r *http.Request) {
			form("a=1&token=" + dummy)(r)
			r.Header["content-type"] = r.Header["Content-Type"]
			delete(r.Header, "Content-Type")
		}},
		"Anthropic's other header": {provider.Anthropic().Scheme, "https://api.example.com/v1/messages", header("Authorization", "Bearer "+dummy)},
		"Google's parameter":       {provider.Google().Scheme, "https://api.example.com/?key=" + dummy, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var wire strings.Builder
			rt := unbound(quiet(t, fixedSource{source.Set{Complete: true, Keys: []source.Key{
				{Version: "v1", ID: "id-of-key", Secret: source.NewSecret(b64(sentinel + "1"))}}}}), c.scheme,
				transport.WithOverride(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
					_ = r.Write(&wire)
					return status(200), nil
				})))
			req := request(t, http.MethodPost, c.url, nil)
			if c.own != nil {
				c.own(req)
			}
			resp, err := rt.RoundTrip(req)
			if err != nil {
				return
			}
			resp.Body.Close()
			if strings.Contains(wire.String(), dummy) {
				t.Error("the dummy reached the server")
			}
		})
	}
}

// GRPC classifies the end of a call in grpc-web-text (base64).
//
// F113
func TestGRPCWebText(t *testing.T) {
	trailers := "grpc-status: 16\r\n"
	frame := append([]byte{0x80, 0, 0, 0, byte(len(trailers))}, trailers...)
	a := transport.NewAnswer(200, http.Header{"Content-Type": {"application/grpc-web-text+proto"}}, []byte(b64(string(frame))))
	if v := transport.GRPC(a); v == transport.Passed {
		t.Error("a refusal passes for an acceptance")
	}
}

// With WithOverride nothing of the caller's own credential is sent, not even in the
// Referer of a redirect that leaves the origins.
//
// F113
func TestOverrideReferer(t *testing.T) {
	var mu sync.Mutex
	var referers []string
	note := func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		referers = append(referers, r.Referer())
	}
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note(r) }))
	defer other.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		if r.URL.Path == "/in" {
			http.Redirect(w, r, "/out", http.StatusFound)
		} else {
			http.Redirect(w, r, other.URL, http.StatusFound)
		}
	}))
	defer srv.Close()
	base := srv.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	defer base.CloseIdleConnections()
	rt := transport.New(keep(t, newStore("v1")), transport.Query("api_key"), transport.WithOrigin(srv.URL), transport.WithOverride(), transport.WithBase(base))
	for _, path := range []string{"/in", "/out"} {
		resp, err := (&http.Client{Transport: rt}).Get(srv.URL + path + "?api_key=" + dummy)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for i, r := range referers {
		if strings.Contains(r, dummy) {
			t.Errorf("request %d: the dummy reached a server, in the Referer", i)
		}
	}
}

// The scheme's prefix alone is not a credential.
//
// F113
func TestBarePrefix(t *testing.T) {
	for _, prefix := range []string{"SSWS ", "Token token=", "Klaviyo-API-Key "} {
		rt := unbound(quiet(t, newStore("v1")), transport.HeaderPrefix("Authorization", prefix),
			transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) { return status(200), nil })))
		req := get(t, "https://api.example.com")
		req.Header.Set("Authorization", prefix)
		if resp, err := rt.RoundTrip(req); err != nil {
			t.Errorf("%q: %v", prefix, err)
		} else {
			resp.Body.Close()
		}
	}
}
