package sdks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

const (
	some       = 20 // calls in a part of the drill
	goroutines = 6
	rotations  = 4
	each       = 45       // calls of a goroutine
	refusals   = 5        // calls while every key is refused
	textSize   = 8 << 10  // bytes of a write
	largeSize  = 96 << 10 // bytes of a large write: more than the buffers on its way hold
	patience   = 30 * time.Second
)

// A result is the result of a drill.
type result struct {
	calls, failed int
	// Numbers of attempts per call. steady: without a rotation. switched: of the first
	// call after the file has changed first. refused: the maximum while every key is
	// refused. own: of the SDK itself when a key is refused.
	steady, switched, refused, own int
	faults                         []string
}

// A drill is one test of an SDK over a rig.
type drill struct {
	*rig
	ctx     context.Context
	result  result
	current source.Key

	extra int          // requests that the SDK sends only once
	n     atomic.Int64 // calls so far
	stage atomic.Pointer[string]
	mu    sync.Mutex // guards result and marks
	marks map[string]bool
}

// run runs the drill with an SDK.
func run(t *testing.T, s sdk, http2 bool) result {
	r, key := newRig(t, s, http2)
	d := &drill{rig: r, ctx: t.Context(), current: key, marks: make(map[string]bool)}
	for i, part := range []func() error{d.steady, d.fileFirst, d.serverFirst, d.load, d.whole, d.allRefused} {
		if err := part(); err != nil {
			d.fault("%v", err)
			break
		}
		if i == 0 && d.result.failed > 0 { // the other parts would only wait in vain
			break
		}
	}
	if err := d.own(t); err != nil {
		d.fault("%v", err)
	}
	return d.result
}

// fault records a fault, without secrets.
func (d *drill) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, mockapi.Sentinel) || shows(text) {
		text = "an error contains a secret"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.result.faults = append(d.result.faults, text)
}

// call makes the next call: reads and writes in turn.
func (d *drill) call() error { return d.callSized(textSize) }

func (d *drill) callSized(size int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the SDK panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	n := int(d.n.Add(1))
	if d.read != nil && (n%2 == 1 || d.write == nil) {
		return d.read(ctx)
	}
	mark, text := d.text(n, size)
	if err = d.write(ctx, text); err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.marks[mark] = true
	}
	return err
}

// counted makes a call that must succeed.
func (d *drill) counted(part string, call func() error) {
	err := call()
	d.mu.Lock()
	d.result.calls++
	if err != nil {
		d.result.failed++
	}
	d.mu.Unlock()
	if err != nil {
		d.fault("%s: %v", part, err)
	}
}

// sent returns how many attempts reach the server during f.
func (d *drill) sent(f func()) int {
	before := d.attempts.Load()
	f()
	return int(d.attempts.Load() - before)
}

// steady finds the number of requests per call without a rotation.
func (d *drill) steady() error {
	const part = "without a rotation"
	for range 2 { // some SDKs send further requests at first
		d.counted(part, d.call)
	}
	first := int(d.attempts.Load())
	n := d.sent(func() {
		for range some {
			d.counted(part, d.call)
		}
	})
	d.result.steady = n / some
	d.extra = first - 2*d.result.steady
	if n%some != 0 || n == 0 {
		return fmt.Errorf("%s: %d attempts for %d calls, want the same number for each call", part, n, some)
	}
	return nil
}

// fileFirst adds a key to the file first; the server accepts it later.
func (d *drill) fileFirst() error {
	const part = "file first"
	next := d.api.Issue(mockapi.Spec{Inactive: true})
	if err := d.move(next); err != nil {
		return err
	}
	d.result.switched = d.sent(func() { d.counted(part, d.call) })
	for range some {
		d.counted(part, d.call)
	}
	if err := d.replace(next); err != nil {
		return err
	}
	for range some {
		d.counted(part, d.call)
	}
	return nil
}

// move adds next to the file and makes the client read it.
func (d *drill) move(next source.Key) error {
	if err := d.list(next, d.current); err != nil {
		return err
	}
	return d.c.Refresh(d.ctx)
}

// replace makes the server accept next and revoke the current key.
func (d *drill) replace(next source.Key) error {
	before := d.current
	d.current = next
	return errors.Join(d.api.Activate(next.Version), d.api.Revoke(before.Version))
}

// serverFirst makes the server revoke the current key before the file has the next.
func (d *drill) serverFirst() error {
	const part = "server first"
	next := d.api.Issue(mockapi.Spec{})
	if d.sdk.overlap {
		d.counted(part, d.call)
		if err := d.move(next); err != nil {
			return err
		}
		d.counted(part, d.call)
		return d.replace(next)
	}
	moved := d.following(next)
	if err := d.replace(next); err != nil {
		return err
	}
	for range some {
		d.counted(part, d.call)
	}
	return d.wait(moved, "the file to get the new key")
}

func (d *drill) wait(c <-chan struct{}, what string) error {
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waited for %s: %w", what, ctx.Err())
	}
}

// load makes calls from several goroutines during rotations in which the file and the
// server change first in turn.
func (d *drill) load() error {
	const all = goroutines * each
	var done atomic.Int64
	var reached [all + 1]chan struct{}
	for i := range reached {
		reached[i] = make(chan struct{})
	}
	before := d.attempts.Load()
	d.at("under load")
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				d.counted(*d.stage.Load(), d.call)
				close(reached[done.Add(1)])
			}
		})
	}
	err := d.rotate(func(i int) <-chan struct{} { return reached[all*i/(2*rotations+1)] })
	wg.Wait()
	// In a rotation, each call in flight may take three more attempts, some of them
	// probes.
	sent, most := int(d.attempts.Load()-before), d.result.steady*(all+rotations*goroutines*3)
	if sent > most {
		d.fault("under load: %d attempts for %d calls, want at most %d", sent, all, most)
	}
	return err
}

// at sets the stage of the load, which the faults of calls name.
func (d *drill) at(stage string) { d.stage.Store(&stage) }

// rotate rotates the key several times. Each rotation has two steps; step i, counted
// from 1 over all rotations, waits for at(i).
func (d *drill) rotate(at func(i int) <-chan struct{}) error {
	for i := range rotations {
		if err := d.wait(at(2*i+1), "calls"); err != nil {
			return err
		}
		fileFirst := i%2 == 0 || d.sdk.overlap
		next := d.api.Issue(mockapi.Spec{Inactive: fileFirst && !d.sdk.overlap})
		var moved <-chan struct{}
		d.at(fmt.Sprintf("under load, rotation %d begun, file first %v", i+1, fileFirst))
		if fileFirst {
			if err := d.move(next); err != nil {
				return err
			}
		} else {
			moved = d.following(next)
			if err := d.replace(next); err != nil {
				return err
			}
		}
		if err := d.wait(at(2*i+2), "calls"); err != nil {
			return err
		}
		d.at(fmt.Sprintf("under load, rotation %d over, file first %v", i+1, fileFirst))
		if fileFirst {
			if err := d.replace(next); err != nil {
				return err
			}
		} else if err := d.wait(moved, "the file to get the new key"); err != nil {
			return err
		}
	}
	return nil
}

// whole sends large bodies of which the server refuses the first, and checks that each
// write of the drill so far was applied once and whole.
func (d *drill) whole() error {
	const part = "large bodies"
	if d.write != nil {
		for range 3 {
			next := d.api.Issue(mockapi.Spec{Inactive: !d.sdk.overlap})
			if err := d.move(next); err != nil {
				return err
			}
			for range 4 {
				d.counted(part, func() error { return d.callSized(largeSize) })
			}
			if err := d.replace(next); err != nil {
				return err
			}
			for range 4 {
				d.counted(part, func() error { return d.callSized(largeSize) })
			}
		}
	}
	d.rig.mu.Lock()
	defer d.rig.mu.Unlock()
	if d.torn > 0 {
		d.fault("%d bodies arrived torn", d.torn)
	}
	for mark := range d.marks {
		if n := d.applied[mark]; n != 1 {
			d.fault("write %s: applied %d times, want once", mark, n)
		}
	}
	if got, want := int(d.accepted.Load()), d.result.steady*d.result.calls+d.extra; d.result.failed == 0 && got != want && d.sdk.background == "" {
		d.fault("the server accepted %d requests, want %d", got, want)
	}
	return nil
}

// allRefused makes the server refuse every key. Calls must fail with the API's refusal.
func (d *drill) allRefused() error {
	const part = "all refused"
	if err := d.api.Revoke(d.current.Version); err != nil {
		return err
	}
	want := d.sdk.refused
	if want == "" {
		want = "401"
	}
	accepted := d.accepted.Load()
	for range refusals {
		n := d.sent(func() {
			if err := d.call(); err == nil {
				d.fault("%s: a call succeeded", part)
			} else if text := err.Error(); !strings.Contains(text, want) && !(d.sdk.profile.Lockout && strings.Contains(text, "every key is refused")) {
				d.fault("%s: error %v, want the API's refusal", part, err)
			}
		})
		d.result.refused = max(d.result.refused, n)
	}
	if d.accepted.Load() != accepted {
		d.fault("%s: a request was accepted", part)
	}
	if n := d.dummies.Load(); n > 0 {
		d.fault("the SDK's own key reached the server %d times", n)
	}
	return nil
}

// own finds how many attempts the SDK itself makes for a call whose key is refused. If
// the only key was never accepted, this project's client makes a single attempt.
func (d *drill) own(t *testing.T) error {
	bad := source.Key{Version: "bad", ID: "bad", Secret: source.NewSecret(mockapi.Sentinel + "bad"), Extra: make(map[string]source.Secret)}
	for name := range d.current.Extra {
		bad.Extra[name] = bad.Secret
	}
	c, err := client.New(d.ctx, source.Static(bad), client.WithProvider(d.sdk.profile), client.WithOverride(),
		client.WithBase(d.base), client.WithRing(ring.WithLogger(nil), ring.WithRefusalWait(time.Millisecond)))
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = c.Close() })
	d.rig.calls = d.sdk.use(d.base, c)
	d.closing(t)
	for range 2 {
		n := d.sent(func() {
			if d.call() == nil {
				d.fault("a call succeeded with a key that was never valid")
			}
		})
		if n > 0 { // with WithLockout, only the first call is sent
			d.result.own = n
		}
	}
	// A request takes at most two attempts, and a third while the keys change.
	if most := 3 * d.result.own; d.result.refused > most {
		d.fault("all refused: %d attempts for a call, want at most %d: three for each of the SDK's %d", d.result.refused, most, d.result.own)
	}
	return nil
}
