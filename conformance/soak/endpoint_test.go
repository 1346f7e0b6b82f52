package soak_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// endpoint is a track whose keys come from the mock's key document by long poll. The
// client has no WithRetry.
type endpoint struct {
	*mock
}

func newEndpoint(t *testing.T, l lane, g *goal, from uint64, printed *sweep) *track {
	t.Helper()
	return startEndpoint(newMock(newTrack(t, "endpoint", l, g, from, printed)))
}

// newExchange is like newEndpoint, but the server is an exchange, to which each request is
// signed with its body.
func newExchange(t *testing.T, l lane, g *goal, from uint64, printed *sweep) *track {
	t.Helper()
	k := newTrack(t, "exchange", l, g, from, printed)
	venue, err := exchange.New("gate")
	if err != nil {
		t.Fatal(err)
	}
	profile := provider.Gate()
	k.scheme, k.signs = profile.Scheme, true
	m := newMock(k, mockapi.WithAuth(venue))
	m.oddly = func(r *http.Request) mockapi.Refusal { return *venue.Refuse(r, mockapi.ReasonUnknown) }
	return startEndpoint(m, client.WithProvider(profile))
}

func startEndpoint(m *mock, opts ...client.Option) *track {
	m.t.Helper()
	e := &endpoint{m}
	e.publish = func(key source.Key) { e.must(e.api.List(key.Version)) }
	e.start(e.base(), func() source.Source {
		src, err := remote.New(e.api.KeysURL(), remote.WithTLS(e.api.TLSConfig()), remote.WithWait(10*time.Second))
		e.must(err)
		return src
	}, opts...)
	e.steps = e.common(e.bothLive, map[string]func(){
		"both keys live":           e.bothLive,
		"source first":             e.sourceFirst,
		"late replicas":            e.lateReplicas,
		"rollback":                 e.rollback,
		"current key revoked":      e.revoked,
		"by the clock":             e.byClock,
		"bad source":               e.badSource,
		"bad source, then new":     e.badThenNext,
		"restart without a source": e.restarted,
	})
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
	expiry := time.Now().Add(time.Second)
	e.must(e.api.Expire(old.Version, time.Until(expiry)))
	end := e.history.without.open(expiry, 0)
	e.has(key.Version)
	end()
	e.next(key)
	<-time.After(time.Until(expiry))
	e.pause(100 * time.Millisecond)
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
