package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A sourceTrial is the state of one running case.
type sourceTrial struct {
	testing.TB
	SourceBackend
	h     SourceHarness
	heard transcript
}

func newSourceTrial(t testing.TB, h SourceHarness) *sourceTrial {
	t.Helper()
	if h.Key == nil {
		h.Key = NewKey
	}
	need(t, "New", h.New != nil)
	s := &sourceTrial{TB: t, h: h, SourceBackend: h.New(t)}
	need(t, "Source, Put or Delete", s.Source != nil && s.Put != nil && s.Delete != nil)
	if !strings.HasPrefix(h.Key(1).Secret.Expose(), Sentinel) {
		t.Fatal("the harness's Key makes a secret that does not begin with conformance.Sentinel")
	}
	return s
}

// put puts the keys with these numbers, newest first; without Lists only the newest.
func (s *sourceTrial) put(newest int, older ...int) {
	s.Helper()
	keys := []source.Key{s.h.Key(newest)}
	if s.h.Lists {
		for _, n := range older {
			keys = append(keys, s.h.Key(n))
		}
	}
	s.Put(keys...)
}

// read reads the source and checks that it has the keys with these numbers, or
// only the first of them without Lists.
func (s *sourceTrial) read(want ...int) source.Set {
	s.Helper()
	set := s.readAny(want...)
	if set.Complete != s.h.Lists {
		s.Fatalf("Read: Set.Complete is %v, but the harness's Lists is %v", set.Complete, s.h.Lists)
	}
	return set
}

// readAny is like read but allows any value of Set.Complete. It ignores the keys of a history.
func (s *sourceTrial) readAny(want ...int) source.Set {
	s.Helper()
	set, err := s.Source.Read(s.Context())
	s.hear(err)
	if err != nil {
		s.Fatalf("Read: %v", err)
	}
	for _, w := range set.Warnings {
		s.hear(w)
	}
	if !s.h.Lists {
		want = want[:1]
	}
	set.Keys = slices.DeleteFunc(set.Keys, func(k source.Key) bool { return !k.ReplacedAt.IsZero() })
	if len(set.Keys) != len(want) {
		s.Fatalf("Read returned %d keys, want %d", len(set.Keys), len(want))
	}
	for i, n := range want {
		if !set.Keys[i].SameContent(s.h.Key(n)) {
			s.Fatalf("Read: key %d of %d differs from the harness's Key(%d)", i+1, len(want), n)
		}
		noSecret(s, "the version name", set.Keys[i].Version)
	}
	return set
}

// readError reads the source and checks that the error is a *source.Error that
// wraps one of kinds.
func (s *sourceTrial) readError(kinds ...error) {
	s.Helper()
	set, err := s.Source.Read(s.Context())
	s.wantError(err, kinds...)
	if len(set.Keys) > 0 {
		s.Error("Read returned both keys and an error")
	}
}

func (s *sourceTrial) wantError(err error, kinds ...error) {
	s.Helper()
	s.hear(err)
	var typed *source.Error
	if !errors.As(err, &typed) || typed.Source == "" {
		s.Fatalf("error %v (%T), want a *source.Error whose Source is set", err, err)
	}
	for _, k := range kinds {
		if errors.Is(err, k) {
			return
		}
	}
	s.Fatalf("error %v, want an error that wraps one of %v", err, kinds)
}

// keep keeps src in a ring until the case ends. The ring does not poll within the
// case unless opts say so: it reads on notification and on Refresh only.
func (s *sourceTrial) keep(src source.Source, opts ...ring.Option) *ring.Ring {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience(s))
	defer cancel()
	opts = append([]ring.Option{
		ring.WithPoll(1000 * time.Hour), ring.WithLogger(slog.New(slog.NewTextHandler(&s.heard, nil))),
		ring.WithObserver(s.heard.event),
	}, opts...)
	keys, err := ring.Keep(ctx, src, opts...)
	if err != nil {
		s.hear(err)
		s.Fatalf("Keep: %v", err)
	}
	s.Cleanup(func() { keys.Close() })
	s.Cleanup(func() {
		status, _ := json.Marshal(keys.Status())
		_, _ = s.heard.Write(status)
	})
	return keys
}

// refresh calls Refresh of the ring.
func (s *sourceTrial) refresh(keys *ring.Ring) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience(s))
	defer cancel()
	err := keys.Refresh(ctx)
	s.hear(err)
	return err
}

// uses reports whether the ring's key is number n.
func (s *sourceTrial) uses(keys *ring.Ring, n int) bool {
	key, err := keys.InUse()
	return err == nil && key.SameContent(s.h.Key(n))
}

func (s *sourceTrial) wantUse(keys *ring.Ring, n int) {
	s.Helper()
	if !s.uses(keys, n) {
		s.Fatalf("the ring does not use Key(%d)", n)
	}
}

func (s *sourceTrial) hear(err error) {
	if err != nil {
		fmt.Fprintf(&s.heard, "%v\n%+v\n%#v\n", err, err, err)
	}
}

// search looks for secrets in the transcript.
func (s *sourceTrial) search() {
	s.Helper()
	noSecret(s, "an error, log line, event or status", s.heard.text())
}

// mute is a source that cannot notify.
type mute struct{ source.Source }

// A transcript collects errors, log lines, events and statuses as text, and
// counts the events.
type transcript struct {
	mu     sync.Mutex
	said   strings.Builder
	events []ring.Event
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said.Write(p)
}

func (t *transcript) event(e ring.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
	fmt.Fprintf(&t.said, "%+v\n", e)
}

func (t *transcript) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said.String()
}

// count counts events of the kinds.
func (t *transcript) count(kinds ...ring.EventKind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, e := range t.events {
		for _, k := range kinds {
			if e.Kind == k {
				n++
			}
		}
	}
	return n
}
