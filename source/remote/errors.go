package remote

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
)

func statusError(code int) error {
	kind := source.ErrUnavailable
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		kind = source.ErrDenied
	case code == http.StatusNotFound, code == http.StatusGone:
		kind = source.ErrNoKey
	case code >= 200 && code < 300:
		return fmt.Errorf("%w: status %d, want 200", source.ErrInvalid, code)
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: status %d, a redirect that cannot be followed within the origin", kind, code)
	}
	return fmt.Errorf("%w: status %d", kind, code)
}

// fail returns err as an error of this source.
func (s *Source) fail(err error) *source.Error {
	if !errors.Is(err, source.ErrInvalid) && !errors.Is(err, source.ErrDenied) && !errors.Is(err, source.ErrNoKey) &&
		!errors.Is(err, source.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	}
	failed := &source.Error{Source: s.name, Err: err}
	if own, ok := errors.AsType[*source.Error](err); ok {
		failed.RetryAfter = own.RetryAfter
	}
	return failed
}
