// Package decode makes sets of what was read, and holds decoders to their promise.
package decode

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
)

// ErrTooLong says that what was read is longer than [source.MaxSize]. It wraps
// [source.ErrInvalid].
var ErrTooLong = fmt.Errorf("%w: longer than %d bytes", source.ErrInvalid, source.MaxSize)

// ReadAll reads all of r, or one byte more than [source.MaxSize], and then
// returns [ErrTooLong] (F21).
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

// Set returns the set that decode makes of data, which names at least one version.
// Its errors wrap [source.ErrInvalid], whatever decode's own do.
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
		return source.Set{}, fmt.Errorf("%w: lists no key", source.ErrInvalid)
	}
	return set, nil
}

// Clone returns a copy of set that shares no map or slice with it but Warnings.
func Clone(set source.Set) source.Set {
	set.Keys, set.Revoked = slices.Clone(set.Keys), slices.Clone(set.Revoked)
	for i, key := range set.Keys {
		set.Keys[i] = key.Clone()
	}
	return set
}
