package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// If a callback panics, the caller gets the answer, the next request works, and no
// attempt counts as under way forever.
//
// F97
func TestPanicsInCallbacks(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"classifier": {transport.WithClassifier(func(*transport.Answer) transport.Verdict { panic("classifier") })},
		"reading": {transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
			_ = a.Body()
			panic("classifier")
		})},
		"replay": {transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { panic("replay") })},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				keys := keep(t, newStore("v2", "v1"), ring.WithObserver(func(ring.Event) { panic("observer") }))
				rt := unbound(keys, transport.Bearer(), append(opts, transport.WithBase(srv.base(t)))...)
				a := send(t, rt, get(t, srv.URL))
				a.want(t, http.StatusUnauthorized, "v2", 1)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				g.accept("v1", "v2")
				if a := send(t, rt, get(t, srv.URL)); a.StatusCode != http.StatusOK {
					t.Errorf("status %d", a.StatusCode)
				}
				for _, v := range keys.Status().Versions {
					if v.InFlight != 0 {
						t.Errorf("%s: %d attempts in flight", v.Version, v.InFlight)
					}
				}
			})
		})
	}
	t.Run("signer", func(t *testing.T) {
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error { panic("signing with " + k.Secret.Expose()) }), nil
		})
		keys := keep(t, newStore("v1"))
		body := &countingBody{Reader: strings.NewReader("order")}
		resp, err := unbound(keys, signs, transport.WithBase(stub{})).RoundTrip(request(t, http.MethodPost, "https://api.example.com", body))
		if resp != nil || err == nil || strings.Contains(err.Error(), sentinel) || body.closed.Load() == 0 {
			t.Errorf("%v, error %v, closed %d times", resp, err, body.closed.Load())
		}
		if n := keys.Status().Current.InFlight; n != 0 {
			t.Errorf("%d attempts in flight", n)
		}
	})
	t.Run("scheme", func(t *testing.T) {
		prepares := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) { panic(k.Secret.Expose()) })
		_, err := unbound(keep(t, newStore("v1")), prepares, transport.WithBase(stub{})).RoundTrip(get(t, "https://api.example.com"))
		if err == nil || strings.Contains(fmt.Sprintf("%v %#v", err, err), sentinel) {
			t.Errorf("error %v", err)
		}
	})
}

// If a function of the traits panics, that request fails, and others do not wait for
// it.
//
// F97
func TestPanicsInTraits(t *testing.T) {
	panics := true
	ask := func(*http.Request) bool {
		if panics {
			panic(sentinel)
		}
		return true
	}
	for name, scheme := range map[string]transport.Scheme{
		"NeedsKey":      with(transport.Bearer(), func(traits *transport.Traits) { traits.NeedsKey = ask }),
		"NotIdempotent": with(transport.Bearer(), func(traits *transport.Traits) { traits.NotIdempotent = ask }),
	} {
		t.Run(name, func(t *testing.T) {
			panics = true
			keys := keep(t, newStore("v1"))
			rt := unbound(keys, scheme, transport.WithBase(takes("v1")))
			body := &countingBody{Reader: strings.NewReader("order")}
			resp, err := rt.RoundTrip(request(t, http.MethodPost, "https://api.example.com", body))
			if resp != nil || !errors.Is(err, source.ErrUnusable) || strings.Contains(fmt.Sprintf("%v %#v", err, err), sentinel) {
				t.Errorf("%v, error %v", resp, err)
			}
			if n := body.closed.Load(); n != 1 {
				t.Errorf("the body was closed %d times", n)
			}
			if n := keys.Status().Current.InFlight; n != 0 {
				t.Errorf("%d attempts in flight", n)
			}
			panics = false
			send(t, rt, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 1)
		})
	}
}

// If Strip panics for a request that needs no key, that request fails.
//
// F97
func TestPanicsInStrip(t *testing.T) {
	scheme := with(transport.Bearer(), func(traits *transport.Traits) {
		traits.NeedsKey = func(*http.Request) bool { return false }
		traits.Strip = func(*http.Request) error { panic(sentinel) }
	})
	rt := unbound(keep(t, newStore("v1")), scheme, transport.WithOverride(), transport.WithBase(takes("v1")))
	for name, sends := range map[string]func(*http.Request) error{
		"RoundTrip": func(req *http.Request) error { _, err := rt.RoundTrip(req); return err },
		"Sign":      func(req *http.Request) error { _, err := rt.Sign(req); return err },
	} {
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, "https://api.example.com", body)
		req.Header.Set("Authorization", "Bearer another")
		if err := sends(req); !errors.Is(err, source.ErrUnusable) || strings.Contains(fmt.Sprintf("%v %#v", err, err), sentinel) {
			t.Errorf("%s: error %v", name, err)
		}
		if n := body.closed.Load(); name == "RoundTrip" && n != 1 {
			t.Errorf("the body was closed %d times", n)
		}
	}
}

// If Traits panics, nothing is sent, and the error says so.
//
// F97, F109
func TestSchemeWithoutTraits(t *testing.T) {
	for name, scheme := range map[string]transport.Scheme{
		"panics": with(transport.Bearer(), func(*transport.Traits) { panic(sentinel) }),
		"nil":    struct{ transport.Scheme }{},
	} {
		err := unbound(keep(t, newStore("v1")), scheme).Err()
		if !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), sentinel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// brokenBody is the body of a broken base.
type brokenBody func(p []byte) (int, error)

func (b brokenBody) Read(p []byte) (int, error) { return b(p) }
func (brokenBody) Close() error                 { return nil }

// If reading an answer panics, the program does not end, even if the read is on a
// goroutine of the transport. A request that does not need the body does not fail.
//
// F97
func TestPanicsInBodies(t *testing.T) {
	for _, broken := range []brokenBody{
		func([]byte) (int, error) { panic("body") },
		func(p []byte) (int, error) { return cap(p) + 1, nil },
	} {
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := takes("v1")(req)
			resp.Body, resp.ContentLength = broken, -1
			return resp, err
		})
		for name, opts := range map[string][]transport.Option{
			"drained": nil,
			"peeked": {transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
				_ = a.Body()
				return transport.RFC6750(a)
			})},
		} {
			rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), append(opts, transport.WithBase(base))...)
			resp, err := rt.RoundTrip(get(t, "https://api.example.com"))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", name, resp, err)
			}
			if name == "peeked" {
				if _, err := io.ReadAll(resp.Body); err == nil {
					t.Error("no error for what could not be read")
				}
			}
		}
	}
}
