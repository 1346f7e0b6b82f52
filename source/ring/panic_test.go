package ring_test

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// panicking is a source of which a part panics, with a secret.
type panicking struct {
	store
	read, notify, identity bool
}

func (s *panicking) Identity() source.Secret {
	if s.identity {
		panic("sentinel-panic")
	}
	return source.Secret{}
}

func (s *panicking) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	read := s.read
	s.mu.Unlock()
	if read {
		panic("sentinel-panic")
	}
	return s.store.Read(ctx)
}

func (s *panicking) Notify(ctx context.Context, changed func()) error {
	if s.notify {
		panic("sentinel-panic")
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *panicking) Load(context.Context) ([]byte, error) { panic("sentinel-panic") }

func (s *panicking) Save(context.Context, []byte) error { panic("sentinel-panic") }

// Whatever of a user's panics, Read, Notify, a cache, a scheme, the ring goes on with
// the good key, says so, and quotes nothing of it.
//
// F97
func TestPanicsAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		s    *panicking
		opts func(s *panicking) []ring.Option
		do   func(s *panicking)
		want ring.EventKind
		err  error // of Refresh
	}{
		"read":   {do: func(s *panicking) { s.mu.Lock(); s.read = true; s.mu.Unlock() }, want: ring.RefreshFailed, err: source.ErrUnavailable},
		"notify": {s: &panicking{notify: true}, want: ring.Warning},
		"cache":  {opts: func(s *panicking) []ring.Option { return []ring.Option{ring.WithCache(s)} }, want: ring.Warning},
		"identity": {s: &panicking{identity: true}, opts: func(*panicking) []ring.Option {
			return []ring.Option{ring.WithCache(ring.FileCache(filepath.Join(t.TempDir(), "cache")))}
		}},
		"scheme": {opts: func(*panicking) []ring.Option {
			return []ring.Option{ring.WithPrepare(func(k source.Key) (any, error) {
				if k.Version == "v2" {
					panic(k.Secret.Expose())
				}
				return nil, nil
			})}
		}, do: func(s *panicking) { s.put(one("v2"), nil) }, want: ring.RefreshFailed, err: source.ErrUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := cmp.Or(c.s, &panicking{})
				s.set = one("v1")
				var opts []ring.Option
				if c.opts != nil {
					opts = c.opts(s)
				}
				r, ev := keep(t, s, opts...)
				if c.do != nil {
					c.do(s)
				}
				if err := r.Refresh(t.Context()); !errors.Is(err, c.err) || err != nil && strings.Contains(err.Error(), "sentinel") {
					t.Errorf("error %v, want %v", err, c.err)
				}
				time.Sleep(time.Hour)
				accepted(t, r, "v1")
				synctest.Wait()
				if c.want != "" && ev.count(c.want) == 0 {
					t.Errorf("no %s: %q", c.want, ev.kinds())
				}
				for _, e := range ev.list {
					if e.Err != nil && strings.Contains(e.Err.Error(), "sentinel") {
						t.Errorf("it is quoted: %v", e.Err)
					}
				}
			})
		})
	}
}

// broken is an error of others: the methods of its nil pointer panic.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

// nils is a source whose errors and warnings are nil pointers.
type nils struct {
	store
	readErr, notifyErr error
}

func (s *nils) Read(ctx context.Context) (source.Set, error) {
	set, err := s.store.Read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr != nil {
		return source.Set{}, s.readErr
	}
	return set, err
}

func (s *nils) Notify(context.Context, func()) error { return s.notifyErr }

func (s *nils) Load(context.Context) ([]byte, error) { return nil, s.notifyErr }

func (s *nils) Save(context.Context, []byte) error { return s.notifyErr }

// A nil warning, and an error that is a nil pointer, end neither the program nor the use
// of the good key.
//
// F169
func TestNilErrorsOfASource(t *testing.T) {
	for name, err := range map[string]error{"source.Error": (*source.Error)(nil), "another": (*broken)(nil)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &nils{notifyErr: err}
				s.set = one("v1")
				s.set.Warnings = []error{nil, err, errors.New("look here")}
				r, ev := keep(t, s, ring.WithCache(s))
				s.mu.Lock()
				s.readErr = err
				s.mu.Unlock()
				if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrUnavailable) {
					t.Errorf("error %v", err)
				}
				time.Sleep(time.Hour)
				accepted(t, r, "v1")
				synctest.Wait()
				heard := false
				for _, e := range ev.list {
					heard = heard || e.Kind == ring.Warning && e.Err.Error() == "look here"
				}
				if !heard {
					t.Errorf("the good warning was lost: %q", ev.kinds())
				}
			})
		})
	}
}
