package mockapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

func TestIssuesNamedRandomKeys(t *testing.T) {
	api := mockapi.New(t)
	v1, v2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
	if v1.Version != "v1" || v2.Version != "v2" || v1.ID == v2.ID || v1.CreatedAt.IsZero() {
		t.Errorf("issued %+v and %+v", v1, v2)
	}
	if v1.Secret.Equal(v2.Secret) || !strings.HasPrefix(v1.Secret.Expose(), mockapi.Sentinel) {
		t.Error("secrets are the same, or have no sentinel")
	}
	given := api.Issue(mockapi.Spec{ID: "me", Secret: "given", Extra: map[string]string{"passphrase": "p"}})
	if given.ID != "me" || given.Secret.Expose() != "given" || given.Extra["passphrase"].Expose() != "p" {
		t.Error("Issue changed the given ID or secret")
	}
	for _, key := range []source.Key{v1, v2, given} {
		if a := get(t, api, key); a.Status != 200 || a.Version != key.Version {
			t.Errorf("%s: %d %s", key.Version, a.Status, a.Body)
		}
	}
}

func TestGeneratorMakesKeysOfAnyForm(t *testing.T) {
	api := mockapi.New(t, mockapi.WithGenerator(func(n int) mockapi.Spec {
		return mockapi.Spec{ID: fmt.Sprint("id", n), Secret: fmt.Sprint("secret", n)}
	}))
	api.Issue(mockapi.Spec{})
	if key := api.Rotate(0); key.ID != "id2" || key.Secret.Expose() != "secret2" {
		t.Errorf("generated %v", key)
	}
}

func TestRotateLeavesThePreviousForTheOverlap(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	v2 := api.Rotate(time.Hour)
	status(t, api, v1, 200)
	status(t, api, v2, 200)
	v3 := api.Rotate(0) // v1 and v2 expire at once
	status(t, api, v1, 401)
	status(t, api, v2, 401)
	status(t, api, v3, 200)
	for _, a := range api.Requests()[2:4] {
		if a.Reason != mockapi.ReasonExpired {
			t.Errorf("%s refused as %q, want expired", a.Version, a.Reason)
		}
	}
}

func TestRotateShortensButNeverLengthensALife(t *testing.T) {
	api := mockapi.New(t)
	api.Issue(mockapi.Spec{})
	if err := api.Expire("v1", 0); err != nil {
		t.Fatal(err)
	}
	api.Rotate(time.Hour)
	if states := api.Keys(); len(states) != 2 || len(states[1].Replicas) != 0 {
		t.Errorf("an expired version is accepted again: %+v", states[1])
	}
	later := api.Issue(mockapi.Spec{After: time.Hour}) // not valid yet, so Rotate does not expire it
	api.Rotate(0)
	if state := api.Keys()[1]; state.Key.Version != later.Version || !state.Key.ExpiresAt.IsZero() {
		t.Errorf("Rotate expired a version that is not valid yet: %+v", state)
	}
}

func TestEachWayToEndAndBeginALife(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	late := api.Issue(mockapi.Spec{After: time.Hour})
	inactive := api.Issue(mockapi.Spec{Inactive: true})
	pending := api.Issue(mockapi.Spec{Pending: true})
	if !late.NotBefore.Equal(late.CreatedAt.Add(time.Hour)) {
		t.Errorf("NotBefore %v, CreatedAt %v", late.NotBefore, late.CreatedAt)
	}
	status(t, api, v1, 200)
	for _, key := range []source.Key{late, inactive, pending} {
		status(t, api, key, 401)
		if err := api.Activate(key.Version); err != nil {
			t.Fatal(err)
		}
		status(t, api, key, 200)
	}
	_ = api.Deactivate(late.Version)
	_ = api.Expire(inactive.Version, 0)
	_ = api.Revoke(pending.Version)
	_ = api.Activate(pending.Version) // does not undo Revoke
	want := []mockapi.Reason{mockapi.ReasonInactive, mockapi.ReasonExpired, mockapi.ReasonRevoked}
	for i, key := range []source.Key{late, inactive, pending} {
		status(t, api, key, 401)
		log := api.Requests()
		if got := log[len(log)-1].Reason; got != want[i] {
			t.Errorf("%s: %q, want %q", key.Version, got, want[i])
		}
	}
}

// F60: each replica begins to accept a key at its own time.
func TestReplicasLearnAtTheirOwnTime(t *testing.T) {
	api := mockapi.New(t, mockapi.WithReplicas(3))
	key := api.Issue(mockapi.Spec{Replicas: map[int]time.Duration{0: 0, 2: time.Hour}})
	want := func(statuses ...int) {
		t.Helper()
		for i, s := range statuses {
			status(t, api, key, s, mockapi.ReplicaHeader, fmt.Sprint(i))
		}
	}
	want(200, 401, 401)
	if err := api.Activate("v1", 1); err != nil {
		t.Fatal(err)
	}
	want(200, 200, 401)
	if err := api.Deactivate("v1", 0); err != nil {
		t.Fatal(err)
	}
	want(401, 200, 401)
	api.SetReplicas(4) // the fourth accepts what the first accepts
	want(401, 200, 401, 401)
	api.SetReplicas(2)
	want(401, 200, 400)
	api.SetReplicas(4) // the state of removed replicas is lost
	if err := api.Activate("v1", 0); err != nil {
		t.Fatal(err)
	}
	want(200, 200, 401, 401)
	api.SetReplicas(2)
	api.SetReplicas(3)
	want(200, 200, 200)
}

// F60
func TestPropagationDelaysReplicas(t *testing.T) {
	api := mockapi.New(t, mockapi.WithReplicas(2), mockapi.WithPropagation(func(replica int) time.Duration {
		return time.Duration(replica) * time.Hour
	}))
	key := api.Issue(mockapi.Spec{})
	status(t, api, key, 200, mockapi.ReplicaHeader, "0")
	status(t, api, key, 401, mockapi.ReplicaHeader, "1")
	key = api.Issue(mockapi.Spec{Replicas: map[int]time.Duration{1: 0}}) // Spec.Replicas overrides WithPropagation
	status(t, api, key, 401, mockapi.ReplicaHeader, "0")
	status(t, api, key, 200, mockapi.ReplicaHeader, "1")
}

func TestRequestsGoToReplicasInTurn(t *testing.T) {
	api := mockapi.New(t, mockapi.WithReplicas(3))
	key := api.Issue(mockapi.Spec{})
	var got string
	for range 6 {
		got += get(t, api, key).Replica
	}
	if got != "012012" {
		t.Errorf("replicas %s", got)
	}
}

func TestUnknownVersionsAreErrorsAndFailTheTest(t *testing.T) {
	tb := &recordingTB{TB: t}
	api := mockapi.New(tb)
	for _, f := range []func() error{
		func() error { return api.Revoke("v9") },
		func() error { return api.Activate("v9") },
		func() error { return api.Expire("v9", 0) },
	} {
		if err := f(); !errors.Is(err, mockapi.ErrUnknownVersion) {
			t.Errorf("error %v", err)
		}
	}
	api.Issue(mockapi.Spec{})
	if err := api.Activate("v1", 1); err == nil {
		t.Error("Activate accepted replica 1 of 1")
	}
	if len(tb.errors()) != 4 {
		t.Errorf("the test got the errors %q", tb.errors())
	}
}

// F50: during rotations under load, each request finds its key valid.
func TestRotatesUnderLoad(t *testing.T) {
	api := mockapi.New(t)
	var mu sync.RWMutex
	current := api.Issue(mockapi.Spec{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.RLock()
				key := current
				mu.RUnlock()
				if a := get(t, api, key); a.Status != 200 || a.Version != key.Version {
					t.Errorf("%s: %d %s", key.Version, a.Status, a.Body)
					return
				}
			}
		})
	}
	for range 50 {
		key := api.Rotate(time.Hour)
		get(t, api, key)
		mu.Lock()
		current = key
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
	var total uint64
	for _, s := range api.Keys() {
		total += s.Accepted + s.Refused
	}
	if log := api.Requests(); uint64(len(log)) != total {
		t.Errorf("%d attempts logged, %d counted", len(log), total)
	}
}

// recordingTB records errors and does not fail.
type recordingTB struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recordingTB) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recordingTB) errors() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// Activating an active version again fails no request with it.
func TestActivateAgain(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 4 {
		wg.Go(func() {
			for range 200 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+key.Secret.Expose())
				resp, err := api.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
				if err := api.Activate(key.Version); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
