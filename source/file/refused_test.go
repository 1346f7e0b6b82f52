package file_test

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// counted counts the readings of a source.
type counted struct {
	source.Notifier
	reads atomic.Int64
}

func (c *counted) Read(ctx context.Context) (source.Set, error) {
	c.reads.Add(1)
	return c.Notifier.Read(ctx)
}

const refusedAtOnce = 100

// refused sends 100 requests with a key that the server has just dropped. The context of
// each request lasts for patience. wait returns when all requests have succeeded.
func refused(t *testing.T, api *mockapi.API, rt http.RoundTripper, patience time.Duration) (through *atomic.Int64, wait func()) {
	t.Helper()
	var wg sync.WaitGroup
	through = new(atomic.Int64)
	for range refusedAtOnce {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ctx, seen := transport.Observe(ctx)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, api.URL(), http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || seen.Attempts() != 2 {
				t.Errorf("status %d after %d attempts", resp.StatusCode, seen.Attempts())
			}
			through.Add(1)
		})
	}
	return through, wg.Wait
}

// The server drops the old key a second before the new key is in the file. 100 requests are
// refused with every key, wait within their own contexts, and succeed. One reading of the
// new key serves all of them. The files are real, but there are no notifications, since a
// synctest bubble has none.
//
// F03, F61, F62
func TestRefusedRequestsWaitForTheFile(t *testing.T) {
	path := tempFile(t, "")
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory())
		write(t, path, api.Issue(mockapi.Spec{}).Secret.Expose())
		src := &counted{Notifier: deaf{file.New(path)}}
		keys, _ := keep(t, src, ring.WithPoll(time.Hour))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(api.Client().Transport), transport.WithOrigin(api.URL()))
		next := api.Rotate(0)
		start := time.Now()
		through, wait := refused(t, api, rt, 2*time.Second)
		impatient, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(impatient, http.MethodGet, api.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusUnauthorized { // F133
			t.Fatalf("a request that cannot wait so long: %v, error %v", resp, err)
		}
		resp.Body.Close()
		time.Sleep(time.Second - time.Since(start))
		if _, n := api.Count("v1"); n != refusedAtOnce+1 || through.Load() > 0 {
			t.Errorf("%d requests were refused, %d went through", n, through.Load())
		}
		before := src.reads.Load()
		replace(t, path, next.Secret.Expose())
		wait()
		if got := src.reads.Load() - before; got != 1 {
			t.Errorf("%d readings after the file had changed", got)
		}
	})
}

// The same as above, with notifications.
//
// F61, F62
func TestRefusedRequestsWaitForTheNotice(t *testing.T) {
	api := mockapi.New(t)
	path := tempFile(t, api.Issue(mockapi.Spec{}).Secret.Expose())
	src := &counted{Notifier: file.New(path)}
	keys, _ := keep(t, src, ring.WithPoll(time.Hour), ring.WithRefusalWait(limit))
	rt := transport.New(keys, transport.Bearer(), transport.WithBase(api.Client().Transport), transport.WithOrigin(api.URL()))
	next := api.Rotate(0)
	through, wait := refused(t, api, rt, limit)
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); runtime.Gosched() {
		if _, n := api.Count("v1"); n == refusedAtOnce {
			break
		}
	}
	if _, n := api.Count("v1"); n != refusedAtOnce || through.Load() > 0 {
		t.Errorf("%d requests were refused, %d went through", n, through.Load())
	}
	before := src.reads.Load()
	replace(t, path, next.Secret.Expose())
	wait()
	// One rename causes several events, and a request that is refused late may have begun
	// one reading before.
	if got := src.reads.Load() - before; got < 1 || got > 4 {
		t.Errorf("%d readings after the file had changed", got)
	}
}
