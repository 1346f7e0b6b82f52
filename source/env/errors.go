package env

import (
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// wrap returns err as an error of s. It is permanent if it is about the variables: unlike
// the files that they name, they do not change by themselves (F134).
func (s *Source) wrap(err error) error {
	var inner *source.Error
	if errors.As(err, &inner) {
		return &source.Error{Source: s.String(), Err: fmt.Errorf("%s: %w", inner.Source, inner.Err)}
	}
	return &source.Error{Source: s.String(), Err: err, Permanent: !errors.Is(err, source.ErrUnavailable)}
}
