package source

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/rollingkeys/rollingkeys/source/internal/named"
)

// First returns a source that reads the given ones in order and answers with
// the first that has a set: a mounted file, say, else the environment. When all
// fail, its error joins theirs.
//
// It moves forward only: once a source has answered, those before it are still
// asked, and take over when they have a set, but those behind it are not, however
// it fails. A file that is removed and written again, or an endpoint that
// answers 404 during a deploy, is an error like any other, and the ring goes on
// with the key it has; an older key behind, or another account's, would take
// its place. What is behind is for the start: it is asked again after the
// process has started anew.
//
// A change notice from any of them is passed on.
func First(sources ...Source) Source {
	return &first{sources: sources, answered: len(sources)}
}

type first struct {
	sources []Source

	mu       sync.Mutex
	answered int // index of the one that answered last
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
		return Set{}, &Error{Source: f.String(), Err: ErrNoKey}
	}
	return Set{}, errors.Join(errs...)
}

// Notify arms every source that can notify and ends when ctx does, or when one of them fails.
func (f *first) Notify(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(f.sources))
	for _, src := range f.sources {
		if n, ok := src.(Notifier); ok {
			wg.Go(func() { errs <- n.Notify(ctx, changed) })
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

// Identity tells apart what String does not: see WithCache.
func (f *first) Identity() Secret {
	var b strings.Builder
	for _, src := range f.sources {
		b.WriteString(named.Of(src) + "\n")
		if s, ok := src.(interface{ Identity() Secret }); ok {
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
