package source

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// First returns a source that reads the given ones in order and answers with
// the first that has a set: a mounted file, say, else the environment. When all
// fail, its error joins theirs. A change notice from any of them is passed on.
func First(sources ...Source) Source { return first(sources) }

type first []Source

func (f first) Read(ctx context.Context) (Set, error) {
	var errs []error
	for _, src := range f {
		set, err := src.Read(ctx)
		if err == nil {
			return set, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		return Set{}, &Error{Source: f.String(), Err: ErrNoKey}
	}
	return Set{}, errors.Join(errs...)
}

// Notify arms every source that can notify and ends when ctx does, or when one of them fails.
func (f first) Notify(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(f))
	for _, src := range f {
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

func (f first) String() string {
	names := make([]string, len(f))
	for i, src := range f {
		names[i] = name(src)
	}
	return "first(" + strings.Join(names, ", ") + ")"
}
