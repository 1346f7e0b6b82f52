package age

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Cache returns a cache that encrypts what it saves to recipient and hands it
// to cache, and that decrypts with identity what cache loads. It is safe for
// concurrent use if the three are.
//
// Load's error wraps [source.ErrDenied], and the library's ErrIncorrectIdentity,
// if the data is encrypted to another identity, and [source.ErrInvalid] if it is
// not what Save wrote: changed, cut short, not encrypted. Errors of cache come
// back as they are. Without a cache, a recipient or an identity, every Load and
// Save fails with [source.ErrInvalid].
func Cache(cache ring.Cache, recipient age.Recipient, identity age.Identity) ring.Cache {
	return sealed{cache, recipient, identity}
}

type sealed struct {
	cache     ring.Cache
	recipient age.Recipient
	identity  age.Identity
}

func (s sealed) Save(ctx context.Context, data []byte) error {
	if err := s.check(); err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, s.recipient)
	if err != nil {
		return fmt.Errorf("age: cache: not encrypted: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("age: cache: not encrypted: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("age: cache: not encrypted: %w", err)
	}
	return s.cache.Save(ctx, out.Bytes())
}

func (s sealed) Load(ctx context.Context) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	data, err := s.cache.Load(ctx)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(data), s.identity)
	if err == nil {
		// All of it or nothing: the last chunk is what says that none is missing.
		data, err = io.ReadAll(r)
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, fmt.Errorf("age: cache: %w: %w", source.ErrDenied, age.ErrIncorrectIdentity)
	default:
		// F95: the library quotes lines that it cannot parse. Of a cache that was
		// written without encryption those are the keys.
		return nil, fmt.Errorf("age: cache: %w: not encrypted with age, changed or cut short", source.ErrInvalid)
	}
}

func (s sealed) check() error {
	if s.cache == nil || s.recipient == nil || s.identity == nil {
		return fmt.Errorf("age: cache: %w: without a cache, a recipient or an identity", source.ErrInvalid)
	}
	return nil
}
