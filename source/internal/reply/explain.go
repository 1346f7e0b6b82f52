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

// Explain says in our own words why a store had no answer, since its message is
// text from outside (F95). An error that is the source's own comes back as it is.
// Else code is the store's word for it, the zero value if it is not the store that
// spoke, and kinds says what that means; a code that is not in there is
// [source.ErrUnavailable]. Without a code, or once ctx has ended, it is what
// [Missing] makes of err.
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
