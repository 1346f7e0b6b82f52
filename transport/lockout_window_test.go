package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// shelfOfOne is a source that lists the key that it is told to.
type shelfOfOne struct {
	mu  sync.Mutex
	key source.Key
}

func (l *shelfOfOne) set(key source.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key = key
}

func (l *shelfOfOne) Read(context.Context) (source.Set, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return source.Set{Keys: []source.Key{l.key}}, nil
}

// One rotation with the source first is over. In the next one the server is first,
// within the three seconds for which requests wait for the source. No call under a
// lockout waits after the new key is accepted, and calls wait as long in the second
// rotation as in the first.
//
// F58
func TestLockoutWaitsForEachRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory())
		api.SetAnswer(mockapi.Answer{Delay: 20 * time.Millisecond})
		refusal := mockapi.Unauthorized()
		refusal.Delay = 20 * time.Millisecond
		api.SetRefusal(refusal)
		v1 := api.Issue(mockapi.Spec{})
		src := &shelfOfOne{key: v1}
		keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil), ring.WithLockout())
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		base := &http.Transport{DialContext: api.Dial}
		defer base.CloseIdleConnections()
		c := &http.Client{Transport: unbound(keys, transport.Bearer(), transport.WithBase(base))}

		begun := time.Now()
		serverFirst := begun.Add(2600 * time.Millisecond)
		var mu sync.Mutex
		failed, slow := 0, 0
		call := func() {
			left := time.Now()
			resp, err := c.Get(api.URL())
			if err == nil {
				if err = resp.Body.Close(); err == nil && resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %d", resp.StatusCode)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
			}
			if left.Before(serverFirst.Add(-time.Second)) && time.Since(left) > time.Second {
				slow++
			}
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 3 * time.Millisecond)
				for time.Since(begun) < 5*time.Second {
					call()
					time.Sleep(time.Millisecond)
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		v2 := api.Issue(mockapi.Spec{Inactive: true})
		src.set(v2)
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(350 * time.Millisecond)
		if err := api.Activate(v2.Version); err != nil {
			t.Fatal(err)
		}
		if err := api.Revoke(v1.Version); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(serverFirst))
		v3 := api.Issue(mockapi.Spec{})
		if err := api.Revoke(v2.Version); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		src.set(v3)
		wg.Wait()
		if failed > 0 || slow > 0 {
			t.Errorf("%d calls failed, %d waited for the source after the new key was good", failed, slow)
		}
	})
}
