// Package decode reads and decodes data within the size limit, and makes sure that the errors
// of decoders wrap the right one of package source.
package decode

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// ErrTooLong means that the data is longer than [source.MaxSize]. It wraps
// [source.ErrInvalid].
var ErrTooLong = fmt.Errorf("%w: longer than %d bytes", source.ErrInvalid, source.MaxSize)

// ReadAll reads all of r. If r has more than [source.MaxSize] bytes, it returns [ErrTooLong]
// (F21).
func ReadAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, source.MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > source.MaxSize:
		return nil, ErrTooLong
	}
	return data, nil
}

// Set decodes data with decode. It fails if the set has neither keys nor revoked versions, or if
// a secret is one that [field.Unfilled] recognizes, which only a decoder of the user's own does
// not check itself. Its errors always wrap [source.ErrInvalid].
func Set(decode source.Decoder, data []byte) (source.Set, error) {
	if len(data) > source.MaxSize {
		return source.Set{}, ErrTooLong
	}
	set, err := decode(data)
	switch {
	case errors.Is(err, source.ErrInvalid):
		return source.Set{}, err
	case err != nil:
		return source.Set{}, fmt.Errorf("%w: %w", source.ErrInvalid, err)
	case len(set.Keys) == 0 && len(set.Revoked) == 0:
		return source.Set{}, fmt.Errorf("%w: the data lists no key", source.ErrInvalid)
	}
	for _, key := range set.Keys {
		if what := field.Unfilled(key.Secret.Expose()); what != "" {
			return source.Set{}, fmt.Errorf("%w: it looks like %s", source.ErrInvalid, what)
		}
	}
	return set, nil
}

// Clone returns a copy of set. The copy shares no map or slice with set except Warnings.
func Clone(set source.Set) source.Set {
	set.Keys, set.Revoked = slices.Clone(set.Keys), slices.Clone(set.Revoked)
	for i, key := range set.Keys {
		set.Keys[i] = key.Clone()
	}
	return set
}
