package conformance

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func firstValue(s *sourceTrial) {
	s.put(1)
	set := s.read(1)
	if again := s.read(1); set.Keys[0].Version != again.Keys[0].Version {
		s.Errorf("the same key had version name %q and then %q", set.Keys[0].Version, again.Keys[0].Version)
	}
	keys := s.keep(s.Source)
	s.wantUse(keys, 1)
	status := keys.Status()
	if !status.Healthy || status.Current.Version == "" || status.InUse != status.Current.Version {
		s.Errorf("the status is not healthy, or current is not in use: %+v", status)
	}
}

// F08, F75
func noValueYet(s *sourceTrial) {
	s.readError(source.ErrNoKey, source.ErrInvalid, source.ErrUnavailable)

	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	keys, err := ring.Keep(ctx, s.Source, ring.WithLogger(nil))
	if err == nil {
		keys.Close()
		s.Fatal("Keep returned a ring although there is no key")
	}
	s.wantError(err, source.ErrNoKey)
	if _, err := ring.Keep(s.Context(), s.Source, ring.WithLogger(nil), ring.WithFailFast()); err == nil {
		s.Fatal("Keep with WithFailFast returned a ring although there is no key")
	} else {
		s.wantError(err, source.ErrNoKey)
	}

	if e := (*source.Error)(nil); errors.As(err, &e) && e.Permanent { // F134
		s.put(1)
		s.wantUse(s.keep(s.Source), 1)
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	reads := &counting{Source: s.Source, first: make(chan struct{})}
	wg.Go(func() {
		<-reads.first
		s.put(1)
	})
	s.wantUse(s.keep(reads), 1)
}

// counting counts readings. It is no Notifier, even if its source is one.
type counting struct {
	source.Source
	mu    sync.Mutex
	n     int
	first chan struct{} // closed when the first reading has ended
}

func (c *counting) Read(ctx context.Context) (source.Set, error) {
	set, err := c.Source.Read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.n == 1 && c.first != nil {
		close(c.first)
	}
	return set, err
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func update(s *sourceTrial) {
	s.put(1)
	first := s.read(1)
	keys := s.keep(s.Source)
	s.put(2, 1)
	second := s.read(2, 1)
	if v := second.Keys[0].Version; v != "" && v == first.Keys[0].Version {
		s.Errorf("two different keys have the same version name %q", v) // F91
	}
	if s.h.Lists && second.Keys[1].Version != first.Keys[0].Version {
		s.Errorf("the same key had version name %q and then %q", first.Keys[0].Version, second.Keys[1].Version)
	}
	if err := s.refresh(keys); err != nil {
		s.Fatalf("Refresh: %v", err)
	}
	s.wantUse(keys, 2)
	status := keys.Status()
	if len(status.Versions) != 2 || status.Versions[1].Role != ring.RolePrevious {
		s.Errorf("the ring did not keep the previous key: %+v", status.Versions)
	}
	if n := s.heard.count(ring.Switched); n > 2 {
		s.Errorf("%d Switched events for 2 keys", n)
	}
}

// F16
func sameContent(s *sourceTrial) {
	s.put(1)
	keys := s.keep(s.Source)
	s.put(2, 1)
	if err := s.refresh(keys); err != nil {
		s.Fatalf("Refresh: %v", err)
	}
	before := s.read(2, 1).Keys[0].Version
	version := keys.Version()
	for range 5 {
		s.put(2, 1)
		if after := s.read(2, 1).Keys[0].Version; after != before {
			s.Fatalf("the same key had version name %q and then %q", before, after)
		}
		if err := s.refresh(keys); err != nil {
			s.Fatalf("Refresh: %v", err)
		}
	}
	status := keys.Status()
	if keys.Version() != version || len(status.Versions) != 2 || status.Versions[1].Role != ring.RolePrevious {
		s.Errorf("writing the same key again changed the ring: %+v", status.Versions)
	}
	eventually(s, "two Switched events", func() bool { return s.heard.count(ring.Switched) == 2 })
	if n := s.heard.count(ring.RolledBack, ring.OverlapEnded, ring.Revoked); n > 0 {
		s.Errorf("writing the same key again caused %d events", n)
	}
}

// F71
func rollback(s *sourceTrial) {
	s.put(1)
	keys := s.keep(s.Source)
	first := keys.Version()
	s.put(2, 1)
	if err := s.refresh(keys); err != nil {
		s.Fatalf("Refresh: %v", err)
	}
	s.wantUse(keys, 2)
	s.put(1)
	s.read(1)
	if err := s.refresh(keys); err != nil {
		s.Fatalf("Refresh: %v", err)
	}
	s.wantUse(keys, 1)
	if v := keys.Version(); s.h.Lists && v != first {
		s.Errorf("after the rollback the key has version name %q, before it had %q", v, first)
	}
	eventually(s, "an event for the rollback", func() bool { return s.heard.count(ring.Switched, ring.RolledBack) == 3 })
}

// F83: each Read returns a set that shares nothing with the others.
func ownCopy(s *sourceTrial) {
	s.put(1)
	set := s.read(1)
	key := &set.Keys[0]
	for name := range key.Extra {
		key.Extra[name] = source.NewSecret("changed")
	}
	for name := range key.Metadata {
		key.Metadata[name] = "changed"
	}
	for i := range key.Scopes {
		key.Scopes[i] = "changed"
	}
	*key = source.Key{Secret: source.NewSecret("changed")}
	again := s.read(1)
	for _, value := range again.Keys[0].Metadata {
		if value == "changed" {
			s.Error("two sets share the map Metadata")
		}
	}
	for _, scope := range again.Keys[0].Scopes {
		if scope == "changed" {
			s.Error("two sets share the slice Scopes")
		}
	}
}

// F26, F50
func concurrent(s *sourceTrial) {
	const last = 12
	s.put(1)
	ctx, stop := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				set, err := s.Source.Read(ctx)
				s.hear(err)
				if err != nil {
					continue // Read may fail during a change
				}
				for _, key := range set.Keys {
					if !s.known(key, last) {
						s.Error("Read returned a key that was never put, or parts of two keys")
						return
					}
				}
			}
		})
	}
	for n := 2; n <= last; n++ {
		s.put(n, n-1)
		eventually(s, "Read returns the new key", func() bool { // Read may share a reading that began before put
			set, err := s.Source.Read(ctx)
			return err == nil && set.Keys[0].SameContent(s.h.Key(n))
		})
	}
	stop()
	returns(s, "Read after its context ended", wg.Wait)
	s.read(last, last-1)
}

// known reports whether key equals one of the first n keys.
func (s *sourceTrial) known(key source.Key, n int) bool {
	for i := 1; i <= n; i++ {
		if key.SameContent(s.h.Key(i)) {
			return true
		}
	}
	return false
}
