package ring_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// secretOf knows the key of a version.
func secretOf(version string) func(source.Key) bool {
	return func(k source.Key) bool { return k.Secret.Equal(key(version).Secret) }
}

func nobody(source.Key) bool { return false }

// A caller's attempt counts for its version, or for none; its outcome says nothing,
// whatever it is, and a second one does nothing.
//
// F114
func TestCallersAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		outcomes := map[string]func(*ring.Attempt){
			"Accepted": func(a *ring.Attempt) { a.Accepted() },
			"Refused":  func(a *ring.Attempt) { a.Refused() },
			"Unknown":  func(a *ring.Attempt) { a.Unknown() },
			"Next": func(a *ring.Attempt) {
				if a.Next(context.Background(), false) {
					t.Error("a caller's key has a next one")
				}
			},
		}
		for name, outcome := range outcomes {
			for version, matches := range map[string][]func(source.Key) bool{
				"v1":            {secretOf("v1")},
				"v1 in the end": {secretOf("v0"), nobody, secretOf("v1")},
				"two of them":   {func(source.Key) bool { return true }},
				"none":          {secretOf("v0"), nobody},
				"not asked":     nil,
			} {
				a := r.Caller("header X", matches...)
				outcome(&a)
				a.End()
				if st := r.Status(); st.Callers.InFlight != 0 || st.Versions[1].InFlight != 0 || st.InUse != "v2" || st.Versions[1].State == ring.StateRefused ||
					st.Versions[1].Accepted+st.Versions[1].Refused != 0 {
					t.Errorf("%s of %q: %+v", name, version, st)
				}
			}
		}
		if st := r.Status(); st.Versions[1].Requests != 8 || st.Callers.Requests != 12 {
			t.Errorf("%d and %d requests", st.Versions[1].Requests, st.Callers.Requests)
		}
	})
}

// Nothing is safe to revoke while keys come that the ring does not know, be it retired
// or revoked: one of them may be it.
//
// F114
func TestNothingIsSafeWhileUnknownKeysCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v3", "v2", "v1")}
		r, _ := keep(t, s, ring.WithOverlap(time.Hour))
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		accept := func() {
			a, err := r.Attempt(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			a.Accepted()
		}
		accept()
		time.Sleep(10 * time.Minute)
		accept()
		safe := func() (n int) {
			for _, v := range r.Status().Versions {
				if v.SafeToRevoke {
					n++
				} else if v.Role != ring.RoleCurrent && !strings.Contains(v.Reason, "keys of their own") && !strings.Contains(v.Reason, "still out") {
					t.Errorf("reason %q", v.Reason)
				}
			}
			return n
		}
		if n := safe(); n != 2 {
			t.Fatalf("%d safe before", n)
		}
		a := r.Caller("header X")
		time.Sleep(2 * time.Minute)
		if n := safe(); n != 0 {
			t.Errorf("%d safe while one is out", n)
		}
		a.End()
		if n := safe(); n != 0 {
			t.Errorf("%d safe just after", n)
		}
		time.Sleep(2 * time.Minute)
		if n := safe(); n != 2 {
			t.Errorf("%d safe a while after", n)
		}
	})
}

func TestToken(t *testing.T) {
	r, _ := keep(t, &store{set: listed("v1")})
	if token, err := r.Token(t.Context()); err != nil || !strings.HasSuffix(token, "v1") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if token, err := r.Token(ctx); !errors.Is(err, context.Canceled) || token != "" {
		t.Errorf("error %v", err)
	}
	_ = r.Close()
	if token, err := r.Token(t.Context()); !errors.Is(err, ring.ErrClosed) || token != "" {
		t.Errorf("error %v", err)
	}
	var none *ring.Ring
	if _, err := none.Token(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
	none.Lockout()
	b := none.Caller("header X", nobody)
	b.Unknown()
}

// A ring that is told later that bad keys lock out is as one that was told at once.
//
// F58
func TestLockoutSetLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithRefusalWait(0))
		refuse := func() error {
			a, err := r.Attempt(t.Context(), true)
			if err == nil && a.Next(t.Context(), false) {
				t.Error("another key")
			}
			return err
		}
		for range 3 {
			if err := refuse(); err != nil {
				t.Fatal(err)
			}
		}
		r.Lockout()
		r.Lockout()
		var last error
		for range 3 {
			last = refuse()
		}
		if !errors.Is(last, ring.ErrRefused) {
			t.Errorf("error %v", last)
		}
	})
}

// A slot that was given back is another's, with what that one made of each key, though
// keys join meanwhile.
//
// F116
func TestSlotsAreUsedAgain(t *testing.T) {
	s := &store{set: listed("v1")}
	r, _ := keep(t, s)
	made := func(by string) func(source.Key) (any, error) {
		return func(k source.Key) (any, error) { return by + " " + k.Version, nil }
	}
	first, release, err := r.Prepare(made("first"))
	if err != nil {
		t.Fatal(err)
	}
	second, _, _ := r.Prepare(made("second"))
	release()
	third, _, _ := r.Prepare(made("third"))
	if third != first || second == third {
		t.Errorf("slots %d, %d and %d", first, second, third)
	}
	check := func() {
		t.Helper()
		a, err := r.Attempt(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer a.End()
		if got := a.Prepared(third); got != "third "+a.Version() {
			t.Errorf("slot %d holds %v", third, got)
		}
		if got := a.Prepared(second); got != "second "+a.Version() {
			t.Errorf("slot %d holds %v", second, got)
		}
	}
	check()
	var wg sync.WaitGroup
	for range 4 { // transports come and go while keys join
		wg.Go(func() {
			for range 50 {
				_, release, err := r.Prepare(made("other"))
				if err != nil {
					t.Error(err)
				}
				release()
			}
		})
	}
	for i := range 50 {
		s.put(listed(fmt.Sprintf("v2-%d", i), "v1"), nil)
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		check()
	}
	wg.Wait()
	check()
}

// A slot that changes hands while the keys of a reading are prepared has what its new
// owner made of them.
//
// F116
func TestSlotChangesHandsDuringAReading(t *testing.T) {
	s := &store{set: listed("v1")}
	r, _ := keep(t, s)
	preparing, handed := make(chan struct{}), make(chan struct{})
	slot, release, err := r.Prepare(func(k source.Key) (any, error) {
		if k.Version == "v2" {
			close(preparing)
			<-handed
		}
		return "first " + k.Version, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.put(listed("v2", "v1"), nil)
	read := make(chan error)
	go func() { read <- r.Refresh(t.Context()) }()
	<-preparing
	release()
	another, _, err := r.Prepare(func(k source.Key) (any, error) { return "second " + k.Version, nil })
	if err != nil || another != slot {
		t.Fatalf("slot %d, %v", another, err)
	}
	close(handed)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	a, err := r.Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer a.End()
	if got := a.Prepared(another); got != "second v2" {
		t.Errorf("slot %d holds %v", another, got)
	}
}
