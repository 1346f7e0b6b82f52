package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/rollingkeys/rollingkeys/source/internal/named"
)

// First returns a source that reads the given sources in order and returns the first set
// that it gets: from a mounted file, for example, or else from the environment. If all of
// them fail, its error joins theirs.
//
// The later sources are for the start of the process. Once a source has returned a set,
// the sources after it are not read again until the process restarts, even if it fails.
// The sources before it are still read, and the first of them that returns a set takes its
// place. If a file is removed for a moment, or an endpoint answers 404 during a deploy,
// that is an error, and the ring keeps its key. It must not switch to a later source,
// which may have an older key, or the key of another account.
//
// The source notifies if any of the given sources does. It has no set if there are no
// sources: Read then returns [ErrNoKey].
func First(sources ...Source) Source {
	return &first{sources: sources, answered: len(sources)}
}

type first struct {
	sources []Source

	mu       sync.Mutex
	answered int // index of the source that returned a set last
}

func (f *first) Read(ctx context.Context) (Set, error) {
	f.mu.Lock()
	last := f.answered
	f.mu.Unlock()
	var errs []error
	for i, src := range f.sources {
		set, err := src.Read(ctx)
		if err == nil {
			f.mu.Lock()
			f.answered = i
			f.mu.Unlock()
			return set, nil
		}
		errs = append(errs, err)
		if i == last || ctx.Err() != nil { // F07, F17
			break
		}
	}
	if len(errs) == 0 {
		return Set{}, &Error{Source: f.String(), Err: ErrNoKey, Permanent: true}
	}
	return Set{}, f.fail(errs)
}

// fail joins the errors of the sources. The whole is permanent only if each of them is, and
// may be read again when the first of them may.
func (f *first) fail(errs []error) error {
	whole := &Error{Source: f.String(), Err: errors.Join(errs...), Permanent: len(errs) == len(f.sources)}
	for i, err := range errs {
		var e *Error
		if !errors.As(err, &e) || e == nil {
			e = new(Error)
		}
		if i == 0 {
			whole.RetryAfter = e.RetryAfter
		}
		whole.RetryAfter = min(whole.RetryAfter, e.RetryAfter)
		whole.Permanent = whole.Permanent && e.Permanent
	}
	return whole
}

// Notify calls Notify of every source that has it. It returns when ctx ends, or when one of
// the calls returns.
func (f *first) Notify(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(f.sources))
	for _, src := range f.sources {
		if n, ok := src.(Notifier); ok {
			wg.Go(func() { errs <- notify(ctx, n, changed) })
		}
	}
	changed()
	var err error
	select {
	case err = <-errs:
	case <-ctx.Done():
	}
	cancel()
	wg.Wait()
	return err
}

// notify calls n.Notify, and returns a panic as an error: no caller can recover from one on
// this goroutine (F97).
func notify(ctx context.Context, n Notifier, changed func()) (err error) {
	defer func() {
		if recover() != nil { // the value may contain a secret
			err = &Error{Source: named.Of(n), Err: fmt.Errorf("%w: the source panicked", ErrUnavailable)}
		}
	}()
	return n.Notify(ctx, changed)
}

// Identity implements [Identifier].
func (f *first) Identity() Secret {
	var b strings.Builder
	for _, src := range f.sources {
		b.WriteString(named.Of(src) + "\n")
		if s, ok := src.(Identifier); ok {
			b.WriteString(s.Identity().Expose() + "\n")
		}
	}
	return NewSecret(b.String())
}

func (f *first) String() string {
	names := make([]string, len(f.sources))
	for i, src := range f.sources {
		names[i] = named.Of(src)
	}
	return "first(" + strings.Join(names, ", ") + ")"
}
