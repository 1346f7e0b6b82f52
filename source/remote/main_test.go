package remote_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// sentinel is part of every secret of these tests. No error may contain it.
const sentinel = "rksentinel_5e"

// An endpoint serves a key document over TLS, with ETag, 304 and, if held is set, long polls.
type endpoint struct {
	*httptest.Server
	hold     bool
	requests atomic.Int64

	mu      sync.Mutex
	body    string
	etag    string
	changed chan struct{}
}

func document(version string) string {
	return fmt.Sprintf(`{"keys":[{"version":%q,"id":"id-%s","secret":"%s-%s"}]}`, version, version, sentinel, version)
}

func newEndpoint(t testing.TB, version string) *endpoint {
	t.Helper()
	e := &endpoint{changed: make(chan struct{})}
	e.set(document(version), `"`+version+`"`)
	e.Server = serve(t, e.serve)
	return e
}

// serve starts a TLS server on loopback that ends with the test.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func (e *endpoint) set(body, etag string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.body, e.etag = body, etag
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.requests.Add(1)
	wait, _ := time.ParseDuration(strings.TrimPrefix(r.Header.Get("Prefer"), "wait=") + "s")
	deadline := time.After(wait)
	for {
		e.mu.Lock()
		body, etag, changed := e.body, e.etag, e.changed
		e.mu.Unlock()
		if r.Header.Get("If-None-Match") == etag && e.hold && wait > 0 {
			w.Header().Set("Preference-Applied", "wait")
			select {
			case <-changed:
				continue
			case <-r.Context().Done():
				return
			case <-deadline:
			}
		}
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		writeJSON(w, body)
		return
	}
}

func writeJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write([]byte(body))
}

// open returns a source of srv that ends with the test.
func open(t testing.TB, srv *httptest.Server, opts ...remote.Option) *remote.Source {
	t.Helper()
	return openURL(t, srv.URL+"/keys", append([]remote.Option{trust(srv)}, opts...)...)
}

func openURL(t testing.TB, url string, opts ...remote.Option) *remote.Source {
	t.Helper()
	src, err := remote.New(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.CloseIdleConnections)
	return src
}

func trust(srv *httptest.Server) remote.Option {
	return remote.WithTLS(srv.Client().Transport.(*http.Transport).TLSClientConfig)
}

func static(secret string) source.Source {
	return source.Static(source.Key{ID: "client", Secret: source.NewSecret(secret)})
}

// current reads src and returns the version of its newest key.
func current(t *testing.T, src source.Source) string {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := sentinel + "-" + set.Keys[0].Version; set.Keys[0].Secret.Expose() != want {
		t.Fatalf("version %s has another version's secret", set.Keys[0].Version)
	}
	return set.Keys[0].Version
}

// fails reads src. The reading must fail with an error that wraps want and contains no text of
// the response.
func fails(t *testing.T, src source.Source, want error) *source.Error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := src.Read(ctx)
	return checkError(t, err, want)
}

var _ source.Notifier = (*remote.Source)(nil)
