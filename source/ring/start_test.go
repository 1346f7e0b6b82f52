package ring_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/env"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/oauth"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Keep takes a key that appears later as soon as the source notifies, and not when a
// back-off is over.
//
// F135
func TestFirstKeyIsNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{err: source.ErrNoKey, kick: make(chan struct{})}}
		const late = 100 * time.Second
		time.AfterFunc(late, func() {
			s.put(listed("v1"), nil)
			s.kick <- struct{}{}
		})
		start := time.Now()
		keep(t, s)
		if d := time.Since(start); d != late {
			t.Errorf("after %v, want %v", d, late)
		}
	})
	// A file that appears. The back-off makes the ring read after 1 s at the earliest; a
	// source that is asked for the first time by a timer would not be asked at all.
	path := filepath.Join(t.TempDir(), "later", "key")
	watched := &watching{Source: file.New(path), armed: make(chan struct{})}
	kept := make(chan *ring.Ring)
	go func() {
		r, err := ring.Keep(t.Context(), watched, ring.WithLogger(nil))
		if err != nil {
			t.Error(err)
		}
		kept <- r
	}()
	<-watched.armed
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("sentinel-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	(<-kept).Close()
}

// watching says when the source's watch has begun.
type watching struct {
	*file.Source
	armed chan struct{}
}

func (w *watching) Notify(ctx context.Context, changed func()) error {
	first := true
	return w.Source.Notify(ctx, func() {
		if first {
			first = false
			close(w.armed)
		}
		changed()
	})
}

// A source that notifies all the time, and has no key, does not keep Keep busy.
//
// F135
func TestRestlessSourceWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &restlessFromTheStart{store: store{err: source.ErrNoKey}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := ring.Keep(ctx, s, ring.WithLogger(nil)); err == nil {
			t.Error("no error")
		}
		if n := s.count(); n > 10*75 {
			t.Errorf("%d readings in 10 s", n)
		}
	})
}

type restlessFromTheStart struct{ store }

func (s *restlessFromTheStart) Notify(ctx context.Context, changed func()) error {
	for ctx.Err() == nil {
		changed()
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

// What can never come fails at once, although the context has no deadline.
//
// F134
func TestPermanentErrorFailsAtOnce(t *testing.T) {
	failing := func(permanent bool) *store {
		return &store{err: &source.Error{Source: "store", Err: source.ErrNoKey, Permanent: permanent}}
	}
	for name, src := range map[string]source.Source{
		"permanent": failing(true),
		"unset":     env.New("RK_UNSET"),
		"pair":      env.Pair("RK_UNSET"),
		"static":    source.Static(source.Key{}),
		"oauth":     oauth.New(nil),
		"nothing":   source.First(),
		"all":       source.First(env.New("RK_UNSET"), failing(true)),
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := ring.Keep(context.Background(), src, ring.WithLogger(nil))
			if d := time.Since(start); !errors.Is(err, source.ErrNoKey) || d > 0 {
				t.Errorf("%s: after %v: %v", name, d, err)
			}
		})
	}
	for _, order := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			may := failing(false)
			sources := []source.Source{env.New("RK_UNSET"), may}
			if order {
				slices.Reverse(sources)
			}
			time.AfterFunc(time.Minute, func() { may.put(listed("v1"), nil) })
			r, _ := keep(t, source.First(sources...))
			may.put(source.Set{}, &source.Error{Source: "store", Err: source.ErrNoKey, Permanent: true})
			time.Sleep(time.Hour)
			a := attempt(t, r, "v1") // a ring that has a key keeps it
			a.Accepted()
		})
	}
}

// While Keep waits, it says for what and why: after the first reading, and every 30 s. A
// key that never was is not stale.
//
// F134
func TestKeepSaysThatItWaits(t *testing.T) {
	for _, limit := range []time.Duration{0, 2 * time.Minute} {
		for _, hangs := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &store{err: &source.Error{Source: "store", Err: fmt.Errorf("%w: wrong path", source.ErrNoKey)}}
				if hangs {
					s.hold() // each reading ends with its time limit
				}
				ctx, cancel := context.WithCancel(t.Context())
				if limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, limit)
				}
				defer cancel()
				time.AfterFunc(100*time.Second, cancel)
				ev, log, start := &events{}, &strings.Builder{}, time.Now()
				if _, err := ring.Keep(ctx, s, ring.WithObserver(ev.add), ring.WithReadTimeout(45*time.Second),
					ring.WithLogger(slog.New(slog.NewTextHandler(log, nil)))); err == nil {
					t.Error("no error")
				}
				var at []time.Duration
				for _, e := range ev.list {
					why := "wrong path"
					if hangs {
						why = source.ErrUnavailable.Error()
					}
					until := "no deadline"
					if limit > 0 {
						until = "for " + (limit - e.Time.Sub(start)).String() + " more"
					}
					if e.Kind == ring.Waiting {
						at = append(at, e.Time.Sub(start))
						if text := e.Err.Error(); !strings.Contains(text, why) || !strings.Contains(text, until) {
							t.Errorf("after %v: %s; want %q and %q", at[len(at)-1], text, why, until)
						}
					}
				}
				want := []time.Duration{0, 30 * time.Second, 60 * time.Second, 90 * time.Second}
				if hangs {
					want = []time.Duration{30 * time.Second, 45 * time.Second, 60 * time.Second, 90 * time.Second}
				}
				if !slices.Equal(at, want) {
					t.Errorf("told at %v, want %v", at, want)
				}
				if ev.count(ring.Stale) > 0 || strings.Contains(log.String(), "stale") {
					t.Errorf("stale, with no key: %q", ev.kinds())
				}
				if n := strings.Count(log.String(), "level=WARN msg=\"rollingkeys: waiting\""); n != len(want) {
					t.Errorf("logged %d times: %s", n, log)
				}
			})
		}
	}
}
