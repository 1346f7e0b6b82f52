package conformance

import (
	"context"
	"slices"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Keys is the source of the transport suite. It has one key at a time, the one
// that the case has made current, and is a [source.Notifier]. A RoundTripper
// that uses no source.Source calls [Keys.Current] instead. Keys is safe for
// concurrent use.
type Keys struct {
	mu      sync.Mutex
	key     source.Key
	reads   int
	waiting []chan struct{}
}

// Current returns the current key.
func (k *Keys) Current() source.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	return k.key.Clone()
}

// Read returns a set of the current key alone; the set is not Complete. It fails
// only if ctx has ended.
func (k *Keys) Read(ctx context.Context) (source.Set, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	if err := ctx.Err(); err != nil {
		return source.Set{}, &source.Error{Source: k.String(), Err: err}
	}
	return source.Set{Keys: []source.Key{k.key.Clone()}}, nil
}

// Notify calls changed once at the start and after each change, except after
// those that a case makes without notification. It returns nil when ctx ends.
func (k *Keys) Notify(ctx context.Context, changed func()) error {
	c := make(chan struct{}, 1)
	k.mu.Lock()
	k.waiting = append(k.waiting, c)
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.waiting = slices.DeleteFunc(k.waiting, func(o chan struct{}) bool { return o == c })
	}()
	changed()
	for {
		select {
		case <-c:
			changed()
		case <-ctx.Done():
			return nil
		}
	}
}

// String returns "conformance".
func (k *Keys) String() string { return "conformance" }

// set makes key current. If quietly is set, Notify does not call changed.
func (k *Keys) set(key source.Key, quietly bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = key
	if quietly {
		return
	}
	for _, c := range k.waiting {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// readings counts calls of Read and of Current.
func (k *Keys) readings() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reads
}
