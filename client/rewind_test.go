package client_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
)

// plainReader keeps its position in an unsynchronized field: the race detector
// reports two concurrent readers.
type plainReader struct {
	data []byte
	next int
}

func (r *plainReader) Read(p []byte) (int, error) {
	if r.next >= len(r.data) {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 4<<10)], r.data[r.next:])
	r.next += n
	return n, nil
}

// Retries and redirects call GetBody while the try before may still read the
// body. A body that GetBody rewinds arrives whole nevertheless.
//
// F115
func TestRewoundBodyOverRetriesAndRedirects(t *testing.T) {
	for name, early := range map[string]func(http.ResponseWriter){
		"retry": func(w http.ResponseWriter) { http.Error(w, "busy", http.StatusServiceUnavailable) },
		"redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "/again")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(map[bool]string{false: name + " http1", true: name + " http2"}[h2], func(t *testing.T) {
				var tries, whole atomic.Int64
				var want sync.Map
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if tries.Add(1)%2 == 1 {
						early(w)
						return
					}
					if data, err := io.ReadAll(r.Body); err == nil {
						if _, ok := want.Load(sha256.Sum256(data)); !ok {
							t.Errorf("a body of %d bytes arrived that is none of those sent", len(data))
						}
						whole.Add(1)
					}
				}))
				srv.EnableHTTP2 = h2
				srv.StartTLS()
				defer srv.Close()
				c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-key")}),
					client.WithBase(srv.Client().Transport), client.WithRetry(1), client.WithOrigin(srv.URL))
				n := map[string]int64{"retry": 8, "redirect": 20}[name]
				for range n {
					data := bytes.Repeat([]byte{byte(rand.IntN(256)), 'x'}, 1<<18+rand.IntN(1<<19))
					want.Store(sha256.Sum256(data), true)
					body := &plainReader{data: data}
					req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL, io.NopCloser(body))
					req.ContentLength = int64(len(data))
					req.GetBody = func() (io.ReadCloser, error) {
						body.next = 0
						return io.NopCloser(body), nil
					}
					resp, err := c.Do(req)
					if err != nil || resp.StatusCode != http.StatusOK {
						t.Fatalf("%v %v", resp, err)
					}
					_ = resp.Body.Close()
				}
				if whole.Load() != n {
					t.Errorf("%d of %d bodies arrived", whole.Load(), n)
				}
			})
		}
	}
}
