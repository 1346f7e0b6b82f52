package soak_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// A mock is a track with the mock API as its server.
type mock struct {
	*track
	api     *mockapi.API
	current source.Key
	publish func(source.Key)                    // gives the source a new key, which was issued unlisted
	oddly   func(*http.Request) mockapi.Refusal // the odd answer
}

const replicas = 3

func newMock(k *track, opts ...mockapi.Option) *mock {
	k.t.Helper()
	k.attempts = true
	// Use the ledger instead of the mock's log, which would grow.
	opts = append(opts, mockapi.WithHandler(http.HandlerFunc(k.serve)), mockapi.WithLogLimit(0), mockapi.WithReplicas(replicas))
	if k.lane.http2 {
		opts = append(opts, mockapi.WithHTTP2())
	}
	m := &mock{track: k, api: mockapi.New(k.t, opts...)}
	m.oddly = func(*http.Request) mockapi.Refusal { return mockapi.Unauthorized() }
	m.api.Intercept(m.note)
	k.url = m.api.URL()
	m.current = m.issue(mockapi.Spec{})
	return m
}

// base returns a transport for the track's protocol.
func (m *mock) base() *http.Transport {
	return &http.Transport{TLSClientConfig: m.api.TLSConfig(), ForceAttemptHTTP2: m.lane.http2}
}

func (m *mock) note(w http.ResponseWriter, r *http.Request, a mockapi.Attempt) (answered bool) {
	// The body of a request that its client has canceled may be incomplete.
	if bad := a.Reason == mockapi.ReasonAuth; a.Version == "" && !bad || bad && a.Header.Get("Impatient") == "" {
		m.mu.Lock()
		m.leak("a request carried a key that was never issued, or a bad signature: reason " + string(a.Reason))
		m.mu.Unlock()
	}
	if !a.Accepted {
		m.ledger.attempt(r.Header.Get("X-Request-Id"), a.Version, refused)
		return false
	}
	switch m.judge(w, r, a.Version) {
	case odd:
		m.api.Refuse(w, r, m.oddly(r))
		return true
	case broken:
		return true
	}
	return false
}

// issue makes a new key. The ring may read the key before Issue returns, so newSecret
// records its version in advance.
func (m *mock) issue(spec mockapi.Spec) source.Key {
	spec.Secret = m.newSecret()
	spec.ID = "key-" + m.version(source.NewSecret(spec.Secret))
	key := m.api.Issue(spec)
	if key.Version != m.version(key.Secret) {
		m.t.Errorf("the mock issued version %s, want %s", key.Version, m.version(key.Secret))
	}
	return key
}

// next waits until requests are served with key, which becomes m.current.
func (m *mock) next(key source.Key) {
	m.served(key.Version)
	m.current = key
}

// late returns the Spec of a new key that each replica accepts after a random delay of
// up to 800 ms.
func (m *mock) late() mockapi.Spec {
	spec := mockapi.Spec{Replicas: make(map[int]time.Duration)}
	for n := range replicas {
		spec.Replicas[n] = time.Duration(m.rng.Int64N(int64(800 * time.Millisecond)))
	}
	return spec
}

// everywhere waits until every replica accepts the version.
func (m *mock) everywhere(version string) {
	<-time.After(800 * time.Millisecond)
	m.await("every replica accepts "+version, func() bool {
		i := slices.IndexFunc(m.api.Keys(), func(k mockapi.KeyState) bool { return k.Key.Version == version })
		return len(m.api.Keys()[i].Replicas) == replicas
	})
}

// common adds the steps that are the same for each source.
func (m *mock) common(both func(), steps map[string]func()) map[string]func() {
	steps["server first"] = func() { m.serverFirst(m.rng.Int64N(int64(500 * time.Millisecond))) }
	steps["source beyond the wait"] = func() { m.serverFirst(int64(refusalWait) + m.rng.Int64N(int64(time.Second))) }
	steps["replaced twice"] = m.replacedTwice
	steps["replicas apart"] = m.replicasApart
	steps["requests cut"] = m.faulty(cut, both)
	steps["requests answered 503"] = m.faulty(unavailable, both)
	steps["responses lost"] = m.faulty(lose, both)
	return steps
}

// serverFirst makes the server refuse the old key while the source has no other, for that
// many nanoseconds.
func (m *mock) serverFirst(late int64) {
	old, key := m.current, m.issue(mockapi.Spec{Unlisted: true})
	end := m.history.without.open(time.Now(), 0)
	m.must(m.api.Deactivate(old.Version))
	m.refused(old.Version)
	<-time.After(time.Duration(late))
	m.publish(key)
	m.has(key.Version)
	end()
	m.next(key)
	m.must(m.api.Revoke(old.Version))
}

// replacedTwice replaces the key, without an overlap, by one that is replaced at once.
func (m *mock) replacedTwice() {
	old, short, key := m.current, m.issue(mockapi.Spec{Unlisted: true}), m.issue(mockapi.Spec{Unlisted: true})
	now := time.Now()
	endWithout, endTwice := m.history.without.open(now, 0), m.history.twice.open(now, 0)
	m.must(m.api.Deactivate(old.Version))
	m.refused(old.Version)
	m.publish(short)
	m.pause(20 * time.Millisecond)
	m.must(m.api.Deactivate(short.Version))
	m.publish(key)
	m.has(key.Version)
	endWithout()
	endTwice()
	m.next(key)
	m.must(m.api.Revoke(old.Version))
	m.must(m.api.Revoke(short.Version))
}

// replicasApart makes one replica accept only the new key, and the others only the old
// one, for a while.
func (m *mock) replicasApart() {
	old, key := m.current, m.issue(mockapi.Spec{Replicas: map[int]time.Duration{0: 0}, Unlisted: true})
	end := m.history.apart.open(time.Now(), 0)
	m.must(m.api.Deactivate(old.Version, 0))
	m.publish(key)
	m.pause(300 * time.Millisecond)
	m.must(m.api.Activate(key.Version))
	end()
	m.next(key)
	m.must(m.api.Revoke(old.Version))
}
