package conformance

import (
	"context"
	"slices"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Keys is the source of the transport suite: what a case has made current. It
// is a source.Notifier that has one key at a time; a RoundTripper with another
// notion of a source asks for [Keys.Current] whenever it wants a key. It is safe
// for concurrent use.
type Keys struct {
	mu      sync.Mutex
	key     source.Key
	reads   int
	waiting []chan struct{}
}

// Current returns the key that is current now.
func (k *Keys) Current() source.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	return k.key.Clone()
}

// Read returns the current key as a set that is not complete.
func (k *Keys) Read(ctx context.Context) (source.Set, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	if err := ctx.Err(); err != nil {
		return source.Set{}, &source.Error{Source: k.String(), Err: err}
	}
	return source.Set{Keys: []source.Key{k.key.Clone()}}, nil
}

// Notify calls changed at each switch, but for those that a case keeps quiet about.
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

// set makes key current. Quietly means that nobody is told.
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
