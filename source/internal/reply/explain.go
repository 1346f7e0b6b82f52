package reply

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// A Status is the status of an HTTP reply.
type Status int

// String returns "status 404".
func (s Status) String() string { return fmt.Sprintf("status %d", int(s)) }

// Explain returns an error that says why a store returned no key, without text from the store
// (F95). If err wraps an error of package source, it was made by the source itself: Explain then
// returns it unchanged, or the Err of a [*source.Error].
//
// Otherwise code is the store's code for the error, and kinds maps it to an error of package
// source. A code that is not in kinds means [source.ErrUnavailable]. If the error is not from
// the store, code is the zero value. Then, and also if ctx has ended, Explain returns
// [Missing] of err.
func Explain[C comparable](ctx context.Context, err error, code C, kinds map[C]error) error {
	if own, ok := errors.AsType[*source.Error](err); ok {
		return own.Err
	}
	for _, kind := range []error{source.ErrNoKey, source.ErrInvalid, source.ErrDenied, source.ErrUnavailable} {
		if errors.Is(err, kind) {
			return err
		}
	}
	var none C
	if code == none || ctx.Err() != nil {
		return Missing(ctx, err)
	}
	kind, known := kinds[code]
	if !known {
		kind = source.ErrUnavailable
	}
	return fmt.Errorf("%w: %v", kind, code)
}
