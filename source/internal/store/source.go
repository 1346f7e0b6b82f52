// Package store is what the sources have in common that ask a store for their
// keys over a network: how long a reading may take, what the same content is
// called, and what they say where there is no answer.
package store

import (
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// Patience bounds one reading of a store that answers within milliseconds. Its
// client by itself waits for a server that is not there for as long as the
// context lives, and the ring would hear of it late.
const Patience = 5 * time.Second

// A Source is what all such sources do alike. Its methods are safe for concurrent
// use; its fields are set before.
type Source struct {
	// Name is what the source calls itself.
	Name string
	// Decoder makes keys of a value.
	Decoder source.Decoder
	// Patience bounds one reading. 0: its context alone does.
	Patience time.Duration
	// Explain says in our own words why there is no answer: the store's words may
	// be anything (F95). An error of its own wraps one of package source's.
	Explain func(context.Context, error) error
	// RetryAfter is the store's word on when to try again; nil where it has none.
	RetryAfter func(error) time.Duration
}

// WithDecoder sets what decodes, unless it is nil.
func (s *Source) WithDecoder(decoder source.Decoder) {
	if decoder != nil {
		s.Decoder = decoder
	}
}

// Decode makes a set of a value, as [decode.Set] has it.
func (s *Source) Decode(data []byte) (source.Set, error) { return decode.Set(s.Decoder, data) }

// Read returns what read does within ctx and s.Patience, or a [*source.Error].
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

// Notify calls watch, which returns when there are no more notices. It returns
// nil if ctx has ended by then, or watch returned nil, and else a [*source.Error].
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
