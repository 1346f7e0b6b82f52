package transport_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Keep prepares each version once. A version that its scheme cannot use never becomes
// current, not even the first.
//
// F19
func TestKeepPreparesOnce(t *testing.T) {
	var prepared atomic.Int64
	scheme := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
		prepared.Add(1)
		if k.Version == "bad" {
			return nil, errors.New("no key")
		}
		return transport.Bearer().Prepare(k)
	})
	s := newStore("bad", "v1")
	switched := make(chan string, 10)
	rt, err := transport.Keep(t.Context(), s, scheme, []ring.Option{ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
		if e.Kind == ring.Switched {
			switched <- e.Version
		}
	})}, transport.WithOrigin("https://a.example"), transport.WithBase(takes("v1", "v2")))
	if err != nil {
		t.Fatal(err)
	}
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusOK, "v1", 1)
	s.mu.Lock()
	s.set = listed("v2", "v1")
	s.mu.Unlock()
	if err := rt.Ring().Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusOK, "v2", 1)
	if prepared.Load() != 3 {
		t.Errorf("3 versions were prepared %d times", prepared.Load())
	}
	rt.Ring().Close()
	for _, want := range []string{"v1", "v2"} {
		if v := <-switched; v != want {
			t.Errorf("switched to %s, want %s", v, want)
		}
	}
}

// Keep reports invalid arguments before it reads the source.
//
// F134
func TestKeepOfNothing(t *testing.T) {
	s, origin := newStore("v1"), transport.WithOrigin("https://a.example")
	for name, keep := range map[string]func() (*transport.Transport, error){
		"no scheme": func() (*transport.Transport, error) { return transport.Keep(t.Context(), s, nil, nil, origin) },
		"no origin": func() (*transport.Transport, error) {
			return transport.Keep(t.Context(), s, transport.Bearer(), nil)
		},
		"useless origin": func() (*transport.Transport, error) {
			return transport.Keep(t.Context(), s, transport.Bearer(), nil, transport.WithOrigin("nowhere"))
		},
		"no header's name": func() (*transport.Transport, error) {
			return transport.Keep(t.Context(), s, transport.Header("X Api Key"), nil, origin)
		},
		"no parameter's name": func() (*transport.Transport, error) {
			return transport.Keep(t.Context(), s, transport.Query(""), nil, origin)
		},
	} {
		if rt, err := keep(); err == nil || rt != nil || s.count() != 0 {
			t.Errorf("%s: %v, %d readings", name, err, s.count())
		}
	}
	if _, err := transport.Keep(t.Context(), nil, transport.Bearer(), nil, origin); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("no source: %v", err)
	}
}

// If a transport's scheme cannot use the ring's key, that transport fails. Another
// transport that can use it still works.
//
// F19
func TestSecondTransportThatCannot(t *testing.T) {
	keys := quiet(t, newStore("v1"))
	good := unbound(keys, transport.Bearer(), transport.WithBase(takes("v1")))
	bad := unbound(keys, transport.Header("X Api Key"), transport.WithBase(takes("v1")))
	if _, err := try(bad, get(t, "https://a.example/")); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("%v", err)
	}
	send(t, good, get(t, "https://a.example/")).want(t, http.StatusOK, "v1", 1)
}

// The first request of a transport may be a redirect that another transport followed.
// If it stayed within one origin, it carries the key. If it comes from another origin,
// it does not.
//
// F53
func TestFirstRequestIsARedirect(t *testing.T) {
	for from, version := range map[string]string{"https://a.example/1": "v1", "https://b.example/1": ""} {
		rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(takes("v1", "")))
		req := get(t, "https://a.example/2")
		req.Response = &http.Response{Request: get(t, from)}
		ctx, seen := transport.Observe(req.Context())
		resp, err := rt.RoundTrip(req.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if seen.Version() != version {
			t.Errorf("from %s: version %q, want %q", from, seen.Version(), version)
		}
	}
}

// anyFunc is a function of another type than SignerFunc that signs.
type anyFunc func(*http.Request) error

func (f anyFunc) Sign(req *http.Request) error { return f(req) }

// A nil function is not a signer: the key does not become current.
func TestNilFunctionIsNoSigner(t *testing.T) {
	for name, none := range map[string]transport.Signer{"SignerFunc": transport.SignerFunc(nil), "another": anyFunc(nil)} {
		scheme := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			if k.Version == "v2" {
				return none, nil
			}
			return transport.Bearer().Prepare(k)
		})
		s := newStore("v1")
		keys := keep(t, s)
		rt := unbound(keys, scheme, transport.WithBase(takes("v1")))
		move(t, keys, s, "v2", "v1")
		a, err := try(rt, get(t, "https://api.example.com"))
		if err != nil || a.seen.Version() != "v1" || keys.Version() != "v1" {
			t.Errorf("%s: error %v with %q, current %q", name, err, a.seen.Version(), keys.Version())
		}
	}
}
