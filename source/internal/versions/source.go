package versions

import (
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A Source is what all such sources do alike. Its zero Values is empty.
type Source struct {
	// Name is what the source calls itself.
	Name string
	// Decode makes a key of a version's value.
	Decode source.Decoder
	// Explain says in our own words why there is no answer.
	Explain func(context.Context, error) error
	// RetryAfter is the store's word on when to try again; nil where it has none.
	RetryAfter func(error) time.Duration

	values Values
}

// WithDecoder sets what decodes, unless it is nil.
func (s *Source) WithDecoder(decode source.Decoder) {
	if decode != nil {
		s.Decode = decode
	}
}

// Set makes a set of the list, as [Values.Set] has it.
func (s *Source) Set(list []Listed, fetch func(*source.Key) ([]byte, error)) (source.Set, error) {
	return s.values.Set(list, s.Decode, fetch)
}

// Read returns what read does, or a [*source.Error].
func (s *Source) Read(ctx context.Context, read func(context.Context) (source.Set, error)) (source.Set, error) {
	set, err := read(ctx)
	if err == nil {
		return set, nil
	}
	return source.Set{}, s.Fail(ctx, err)
}

// Fail makes a [*source.Error] of what a call to the store returned.
func (s *Source) Fail(ctx context.Context, err error) error {
	failed := &source.Error{Source: s.Name, Err: s.Explain(ctx, err)}
	if s.RetryAfter != nil {
		failed.RetryAfter = s.RetryAfter(err)
	}
	return failed
}
