package remote_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// sourceFunc is a source of a credential that changes.
type sourceFunc func(context.Context) (source.Set, error)

func (f sourceFunc) Read(ctx context.Context) (source.Set, error) { return f(ctx) }

// guarded serves the document only to requests with the given header value.
func guarded(t *testing.T, header string, want *atomic.Value) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(header) != want.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, document("v1"))
	})
}

func TestItsOwnCredentialRotatesToo(t *testing.T) {
	var want, have atomic.Value
	want.Store(sentinel + "-a")
	have.Store(sentinel + "-a")
	credential := sourceFunc(func(context.Context) (source.Set, error) {
		return static(have.Load().(string)).Read(t.Context())
	})
	srv := guarded(t, "X-Token", &want)
	src := open(t, srv, remote.WithHeader("X-Token", credential))
	current(t, src)
	want.Store(sentinel + "-b")
	fails(t, src, source.ErrDenied)
	have.Store(sentinel + "-b")
	current(t, src)
}

func TestBearer(t *testing.T) {
	var want atomic.Value
	want.Store("Bearer " + sentinel)
	current(t, open(t, guarded(t, "Authorization", &want), remote.WithBearer(static(sentinel))))
}

// F19: an invalid credential is not sent, and neither is the request.
func TestACredentialThatNoHeaderCanCarry(t *testing.T) {
	var requests atomic.Int64
	srv := serve(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	fails(t, open(t, srv, remote.WithHeader("X-Token", static(sentinel+"\r\nX-Evil: 1"))), source.ErrInvalid)
	fails(t, open(t, srv, remote.WithHeader("X-Token", static(""))), source.ErrNoKey)
	broken := errors.New("broken")
	err := fails(t, open(t, srv, remote.WithBearer(sourceFunc(func(context.Context) (source.Set, error) {
		return source.Set{}, broken
	}))), source.ErrUnavailable)
	if !errors.Is(err, broken) {
		t.Errorf("error %v does not wrap the credential's", err)
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests", requests.Load())
	}
}

// F84, F53, F54: redirects to another port of the same host, to another host, and to plain http
// are not followed.
func TestARedirectToAnotherOriginIsNotFollowed(t *testing.T) {
	var strayed atomic.Int64
	stray := func(http.ResponseWriter, *http.Request) { strayed.Add(1) }
	other := serve(t, stray)
	plain := httptest.NewServer(http.HandlerFunc(stray))
	t.Cleanup(plain.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL, plain.URL, "https://localhost:1/"} {
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && r.URL.Path == "/keys" {
					http.Redirect(w, r, "/here", status) // the first redirect stays on the origin
					return
				}
				http.Redirect(w, r, to, status)
			})
			src := open(t, srv, remote.WithHeader("X-Token", static(sentinel)), remote.WithWait(0))
			fails(t, src, source.ErrUnavailable)
		}
	}
	if strayed.Load() != 0 {
		t.Errorf("%d requests to another origin", strayed.Load())
	}
}

func TestARedirectWithinTheOriginIsFollowed(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Token") != sentinel:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/keys":
			http.Redirect(w, r, "/v2/keys", http.StatusPermanentRedirect)
		default:
			writeJSON(w, document("v1"))
		}
	})
	current(t, open(t, srv, remote.WithHeader("X-Token", static(sentinel))))

	var hops atomic.Int64
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	fails(t, open(t, loop), source.ErrUnavailable)
	if hops.Load() != 6 {
		t.Errorf("%d requests in a loop of redirects, want 6", hops.Load())
	}
}
