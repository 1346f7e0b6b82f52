package soak_test

import (
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// A mock is a track with the mock API as its server.
type mock struct {
	*track
	api     *mockapi.API
	current source.Key
}

func newMock(k *track, opts ...mockapi.Option) *mock {
	k.t.Helper()
	k.attempts = true
	// Use the ledger instead of the mock's log, which would grow.
	opts = append(opts, mockapi.WithHandler(http.HandlerFunc(k.ledger.apply)), mockapi.WithLogLimit(0), mockapi.WithReplicas(3))
	m := &mock{track: k, api: mockapi.New(k.t, opts...)}
	m.api.Intercept(m.note)
	k.url = m.api.URL()
	m.current = m.issue(mockapi.Spec{})
	return m
}

func (m *mock) note(_ http.ResponseWriter, _ *http.Request, a mockapi.Attempt) (answered bool) {
	if a.Version == "" {
		m.mu.Lock()
		m.failed = append(m.failed, "a request carried a key that was never issued")
		m.mu.Unlock()
	}
	m.ledger.attempt(a.Header.Get("X-Request-Id"), a.Version, a.Accepted, false)
	return false
}

// issue makes a new key. The ring may read the key before Issue returns, so newSecret
// records its version in advance.
func (m *mock) issue(spec mockapi.Spec) source.Key {
	spec.Secret = m.newSecret()
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
	for n := range 3 {
		spec.Replicas[n] = time.Duration(m.rng.Int64N(int64(800 * time.Millisecond)))
	}
	return spec
}

// everywhere waits until every replica accepts the version.
func (m *mock) everywhere(version string) {
	m.await("every replica accepts "+version, func() bool {
		for _, k := range m.api.Keys() {
			if k.Key.Version == version {
				return len(k.Replicas) == 3
			}
		}
		return false
	})
}
