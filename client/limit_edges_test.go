package client_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

type oneKey struct{}

func (oneKey) Read(context.Context) (source.Set, error) {
	return source.Set{Keys: []source.Key{{Version: "v1", Secret: source.NewSecret("rksentinel_v1")}}}, nil
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An upload is not cut off while pieces of the body are still being sent.
//
// F117
func TestSlowUploadIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(t.Context(), oneKey{}, client.WithRing(ring.WithLogger(nil), ring.WithPoll(time.Hour)),
			client.WithOrigin("https://api.example.com"), client.WithBase(tripper(func(r *http.Request) (*http.Response, error) {
				defer r.Body.Close()
				b := make([]byte, 1)
				for {
					if err := r.Context().Err(); err != nil {
						return nil, err
					}
					if _, err := r.Body.Read(b); err == io.EOF {
						return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
					}
				}
			})))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		left := 20
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example.com", readFunc(func(p []byte) (int, error) {
			if left--; left < 0 {
				return 0, io.EOF
			}
			time.Sleep(5 * time.Second)
			return copy(p, "."), nil
		}))
		resp, err := c.Do(req)
		if err != nil {
			t.Fatalf("an upload that still made progress was cut off: %v", err)
		}
		resp.Body.Close()
	})
}

// A response without a body, or one read to its end, frees its context and timer
// even if the caller does not close it.
//
// F117
func TestLimitHoldsNothingAfterTheEnd(t *testing.T) {
	c, err := client.New(t.Context(), oneKey{}, client.WithRing(ring.WithLogger(nil), ring.WithPoll(time.Hour)),
		client.WithOrigin("https://api.example.com"), client.WithBase(tripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody}, nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const n = 20_000
	for range n {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com", nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // deliberately not closed
	}
	if got := int64(heap()-before) / n; got > 50 {
		t.Errorf("each response read to its end retains %d bytes until the caller's context ends", got)
	}
}

// The limit applies to a response body that happens to have a Write method. Only
// the body of a 101 response is exempt.
//
// F117
func TestLimitOfABodyWithWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(t.Context(), oneKey{}, client.WithRing(ring.WithLogger(nil), ring.WithPoll(time.Hour)),
			client.WithOrigin("https://api.example.com"), client.WithBase(tripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &writable{r.Context()}}, nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		resp, err := c.Get("https://api.example.com")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("a response body that hangs was read without a limit")
		}
	})
}

type writable struct{ ctx context.Context }

func (w *writable) Read([]byte) (int, error) {
	select {
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	case <-time.After(24 * time.Hour):
		return 0, io.EOF
	}
}
func (w *writable) Write(p []byte) (int, error) { return len(p), nil }
func (w *writable) Close() error                { return nil }
