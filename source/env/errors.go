package env

import (
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

func (s *Source) wrap(err error) error {
	var inner *source.Error
	if errors.As(err, &inner) {
		err = fmt.Errorf("%s: %w", inner.Source, inner.Err)
	}
	return &source.Error{Source: s.String(), Err: err}
}
