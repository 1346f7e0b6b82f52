package ring_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// shelf is a whole source: some store that lists versions, and tells of changes.
type shelf struct {
	mu      sync.Mutex
	keys    []source.Key
	changed chan struct{}
}

func (s *shelf) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 {
		return source.Set{}, &source.Error{Source: s.String(), Err: source.ErrNoKey}
	}
	return source.Set{Keys: s.keys, Complete: true}, nil
}

func (s *shelf) Notify(ctx context.Context, changed func()) error {
	changed() // armed: whatever happened before is read now
	for {
		select {
		case <-s.changed:
			changed()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *shelf) String() string { return "shelf" }

func (s *shelf) put(keys ...source.Key) {
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
	s.changed <- struct{}{}
}

// A source of one's own is Read, and Notify if it can push: back-off, jitter,
// staleness and the last good keys are the ring's.
func ExampleNotifier() {
	v1 := source.Key{Version: "v1", Secret: source.NewSecret("sentinel-1")}
	v2 := source.Key{Version: "v2", Secret: source.NewSecret("sentinel-2")}
	s := &shelf{keys: []source.Key{v1}, changed: make(chan struct{})}
	switched := make(chan string, 2)
	live, err := ring.Keep(context.Background(), s, ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
		if e.Kind == ring.Switched {
			switched <- e.Version
		}
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer live.Close()
	fmt.Println(<-switched)
	s.put(v2, v1)
	fmt.Println(<-switched, live.Version())
	// Output:
	// v1
	// v2 v2
}

// A secret prints as what it is: nobody's business.
func ExampleSecret() {
	s := source.NewSecret("sentinel-hunter2")
	fmt.Printf("%v %q %+v\n", s, s, struct{ Token source.Secret }{s})
	// Output: [redacted] [redacted] {Token:[redacted]}
}
