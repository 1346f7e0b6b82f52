package soak_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// endpoint is a track whose keys come from the mock's key document by long poll. Keys
// and requests use HTTP/2 over TLS. No connection is cut, and the client has no
// WithRetry.
type endpoint struct {
	*mock
}

func newEndpoint(t *testing.T, from uint64, printed *sweep) *track {
	t.Helper()
	e := &endpoint{newMock(newTrack(t, "endpoint", from, printed), mockapi.WithHTTP2())}
	e.start(&http.Transport{TLSClientConfig: e.api.TLSConfig(), ForceAttemptHTTP2: true}, func() source.Source {
		src, err := remote.New(e.api.KeysURL(), remote.WithTLS(e.api.TLSConfig()), remote.WithWait(10*time.Second))
		e.must(err)
		return src
	})
	e.steps = map[string]func(){
		"both keys live":           e.bothLive,
		"source first":             e.sourceFirst,
		"server first":             e.serverFirst,
		"late replicas":            e.lateReplicas,
		"rollback":                 e.rollback,
		"current key revoked":      e.revoked,
		"by the clock":             e.byClock,
		"bad source":               e.badSource,
		"bad source, then new":     e.badThenNext,
		"restart without a source": e.restarted,
	}
	return e.track
}

func (e *endpoint) bothLive() {
	old, key := e.current, e.issue(mockapi.Spec{})
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}

func (e *endpoint) sourceFirst() {
	old, key := e.current, e.issue(mockapi.Spec{Inactive: true})
	e.refused(key.Version)
	e.pause(300 * time.Millisecond)
	e.must(e.api.Activate(key.Version))
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}

// serverFirst makes the server refuse the old key while the document lists no other.
func (e *endpoint) serverFirst() {
	old, key := e.current, e.issue(mockapi.Spec{Unlisted: true})
	e.must(e.api.Deactivate(old.Version))
	e.refused(old.Version)
	e.pause(500 * time.Millisecond)
	e.must(e.api.List(key.Version))
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}

func (e *endpoint) lateReplicas() {
	old, key := e.current, e.issue(e.late())
	e.everywhere(key.Version)
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}

// rollback removes the new key from the document again.
func (e *endpoint) rollback() {
	old, key := e.current, e.issue(mockapi.Spec{})
	e.next(key)
	e.must(e.api.Unlist(key.Version))
	e.next(old)
	e.must(e.api.Revoke(key.Version))
}

// revoked revokes the current key; the document lists the previous one.
func (e *endpoint) revoked() {
	old, key := e.current, e.issue(mockapi.Spec{})
	e.next(key)
	e.must(e.api.Revoke(key.Version))
	e.next(old)
}

// byClock rotates by not_before and expires_at: the new key becomes valid before the
// old one expires.
func (e *endpoint) byClock() {
	old, key := e.current, e.issue(mockapi.Spec{After: 300 * time.Millisecond})
	e.must(e.api.Expire(old.Version, time.Second))
	e.next(key)
	e.await(old.Version+" has expired", func() bool {
		return !slices.ContainsFunc(e.api.Keys(), func(k mockapi.KeyState) bool {
			return k.Key.Version == old.Version && len(k.Replicas) > 0
		})
	})
}

// spoil makes the endpoint fail in one of several ways, or answer slowly.
func (e *endpoint) spoil() {
	how := e.rng.IntN(7)
	e.api.InterceptKeys(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		switch how {
		case 0: // connection cut
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3: // F82
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html><title>Sign in</title></html>"))
		case 4: // F83
			_, _ = w.Write([]byte(`{"keys":[{"version":"v0","secret":"hal`))
		case 5:
			_, _ = w.Write([]byte(`{"keys":[]}`))
		case 6: // slow
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
			return false
		}
		return true
	})
}

func (e *endpoint) badSource() {
	e.spoil()
	e.pause(3 * time.Second)
	e.api.InterceptKeys(nil)
	e.readable()
	e.served(e.current.Version)
}

func (e *endpoint) badThenNext() {
	e.spoil()
	old, key := e.current, e.issue(mockapi.Spec{})
	e.pause(3 * time.Second)
	e.api.InterceptKeys(nil)
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}

// restarted restarts the client during an overlap while the endpoint fails. The client
// gets its keys from the cache.
func (e *endpoint) restarted() {
	old, key := e.current, e.issue(mockapi.Spec{Inactive: true})
	e.refused(key.Version)
	e.spoil()
	e.restart()
	e.served(old.Version)
	e.pause(time.Second)
	e.api.InterceptKeys(nil)
	e.must(e.api.Activate(key.Version))
	e.next(key)
	e.must(e.api.Revoke(old.Version))
}
