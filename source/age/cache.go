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

// Cache returns a cache that stores its data, encrypted, in cache. Save encrypts the data to
// recipient, and Load decrypts it with identity. The returned cache is safe for concurrent
// use if the three arguments are.
//
// The error of Load wraps [source.ErrDenied] and the library's ErrIncorrectIdentity if the
// data is encrypted to another recipient. It wraps [source.ErrInvalid] if the data was
// changed, cut short or not encrypted. Load and Save return errors of cache unchanged. If an
// argument is nil, they fail with [source.ErrInvalid].
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
		// Read all data before any is used: only the last chunk shows that none is missing.
		data, err = io.ReadAll(r)
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, fmt.Errorf("age: cache: %w: %w", source.ErrDenied, age.ErrIncorrectIdentity)
	default:
		// F95: the library's error quotes a line that it cannot parse. In a cache without
		// encryption that line may contain a key.
		return nil, fmt.Errorf("age: cache: %w: the data is not encrypted with age, or was changed or cut short", source.ErrInvalid)
	}
}

func (s sealed) check() error {
	if s.cache == nil || s.recipient == nil || s.identity == nil {
		return fmt.Errorf("age: cache: %w: the cache, the recipient or the identity is nil", source.ErrInvalid)
	}
	return nil
}
