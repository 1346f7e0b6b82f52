package drill

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A Fallback tests one kind of call of a client. The server identifies keys by their
// version.
type Fallback struct {
	*Checker
	Store *Store
	Ring  *ring.Ring
	Call  func() error
	Is    func(error) bool // the server's refusal
}

// WaitsForTheSource checks that a call waits for the new key if the server accepts it
// before the source has it. v1 is in use.
func (f Fallback) WaitsForTheSource(t testing.TB) {
	t.Helper()
	if err := f.Call(); err != nil {
		t.Fatal(err)
	}
	f.Accept("v2")
	done := make(chan error, 1)
	go func() { done <- f.Call() }()
	f.Until(t, "the refusal", func() bool { return f.Refused > 0 })
	f.Store.Put(Key("v2"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.WantSeen(t, "v1", "v1", "v1", "v2") // the second once more, as v1 was accepted last (F123)
	Standing(t, f.Ring, "v2", ring.StateAccepted, 1, 0)
}

// AllRefused checks that calls are not multiplied if both keys, v2 and v1, are refused:
// at first a call is made once with each key, then once (F58). The ring does not wait
// for the source.
func (f Fallback) AllRefused(t testing.TB) {
	t.Helper()
	f.Accept()
	for range 20 {
		if err := f.Call(); !f.Is(err) {
			t.Fatalf("%v, want the refusal", err)
		}
	}
	f.Set(func() {
		if n := len(f.Seen); n < 20 || n > 22 {
			t.Errorf("%d attempts for 20 calls", n)
		}
	})
	for _, v := range f.Ring.Status().Versions {
		if v.Accepted != 0 || v.InFlight != 0 || v.State != ring.StateRefused {
			t.Errorf("%s is %s: accepted %d, in flight %d", v.Version, v.State, v.Accepted, v.InFlight)
		}
	}
}

// OnlyDenied checks that a new key is reported if the server denies it in a way that is not
// taken for a refusal. v1 is in use. Is recognizes such an answer, and the report's text
// has advice in it (F138).
func (f Fallback) OnlyDenied(t testing.TB, advice string) {
	t.Helper()
	if err := f.Call(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 10)
	defer f.Ring.Subscribe(func(e ring.Event) {
		if e.Kind == ring.Warning {
			told <- e.Err.Error()
		}
	})()
	f.Store.Put(Keys("v2", "v1")...)
	if err := f.Ring.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Accept("v1")
	for range 3 {
		if err := f.Call(); !f.Is(err) {
			t.Error(err)
		}
	}
	if text := <-told; !strings.Contains(text, `version "v2"`) || !strings.Contains(text, advice) {
		t.Errorf("told: %s", text)
	}
}

// Lockout checks that no call is sent once both keys are refused (F58). The ring has
// WithLockout and does not wait for the source.
func (f Fallback) Lockout(t testing.TB) {
	t.Helper()
	f.Accept()
	if err := f.Call(); !f.Is(err) {
		t.Errorf("%v, want the refusal", err)
	}
	var seen int
	f.Set(func() { seen = len(f.Seen) })
	for range 10 {
		if err := f.Call(); !errors.Is(err, ring.ErrRefused) || !f.Is(err) {
			t.Errorf("%v, want ErrRefused", err)
		}
	}
	f.Set(func() {
		if len(f.Seen) != seen || seen > 2 {
			t.Errorf("%d attempts, and then %d", seen, len(f.Seen))
		}
	})
}

// SlotIsGivenBack checks that what use makes releases its slot in the ring when it is
// garbage collected (F116). One slot of the ring, number 0, is in use before.
func SlotIsGivenBack(t testing.TB, keys *ring.Ring, use func()) {
	t.Helper()
	free := func() bool {
		slot, release, err := keys.Prepare(func(source.Key) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		release()
		return slot == 1
	}
	if !free() {
		t.Fatal("the slots are not numbered as this test takes them to be")
	}
	use()
	Until(t, "the slot", func() bool { runtime.GC(); return free() })
}
