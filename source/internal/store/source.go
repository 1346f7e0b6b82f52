// Package store has what the sources of stores share: the limit of time for a reading, the
// names of versions, and the errors of a store that does not answer.
package store

import (
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// Patience bounds one reading of a store that usually answers within milliseconds. Without it, a
// client waits for an absent server until the context ends, and the ring would notice late.
const Patience = 5 * time.Second

// A Source does what all sources of stores do alike. Its methods are safe for concurrent use
// once its fields are set.
type Source struct {
	// Name is the source's String.
	Name string
	// Decoder decodes a value.
	Decoder source.Decoder
	// Patience bounds one reading. 0 means that only its context does.
	Patience time.Duration
	// Explain turns an error into one that wraps an error of package source. It must not quote
	// the store, whose texts may contain anything (F95).
	Explain func(context.Context, error) error
	// RetryAfter returns how long the store asked to wait before the next try, or 0. It may be
	// nil.
	RetryAfter func(error) time.Duration
}

// WithDecoder sets the decoder, unless it is nil.
func (s *Source) WithDecoder(decoder source.Decoder) {
	if decoder != nil {
		s.Decoder = decoder
	}
}

// Decode decodes a value into a set: see [decode.Set].
func (s *Source) Decode(data []byte) (source.Set, error) { return decode.Set(s.Decoder, data) }

// Read calls read with a context that ends with ctx or after s.Patience. It returns the set,
// or a [*source.Error].
func (s *Source) Read(ctx context.Context, read func(context.Context) (source.Set, error)) (source.Set, error) {
	if s.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Patience)
		defer cancel()
	}
	set, err := read(ctx)
	if err != nil {
		return source.Set{}, s.fail(ctx, err)
	}
	return set, nil
}

// Notify calls watch, which returns when its watch has ended. Notify returns nil if ctx has
// ended by then, or if watch returned nil, and else a [*source.Error].
func (s *Source) Notify(ctx context.Context, watch func(context.Context) error) error {
	err := watch(ctx)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return s.fail(ctx, err)
}

func (s *Source) fail(ctx context.Context, err error) error {
	failed := &source.Error{Source: s.Name, Err: s.Explain(ctx, err)}
	if s.RetryAfter != nil {
		failed.RetryAfter = s.RetryAfter(err)
	}
	return failed
}
