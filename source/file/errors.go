package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rollingkeys/rollingkeys/source"
)

// errMoved means that a path no longer leads to the file to which it was resolved.
var errMoved = errors.New("the file was replaced while it was read")

func (s *Source) stopped(ctx context.Context) error {
	return s.wrap(fmt.Errorf("%w: %w", source.ErrUnavailable, context.Cause(ctx)))
}

func (s *Source) wrap(err error) error { return &source.Error{Source: s.String(), Err: err} }

func (p *part) fault(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved // the file existed when its path was resolved
	}
	return describe(p.field, err)
}

// describe wraps err in one of package source's errors. It drops the path from err, since
// the source's name contains it.
func describe(f field, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if f.name != "" {
		err = fmt.Errorf("%s: %w", f.name, err)
	}
	switch {
	case errors.Is(err, source.ErrInvalid):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", source.ErrNoKey, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", source.ErrDenied, err)
	default:
		return fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	}
}
