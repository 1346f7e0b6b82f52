// Package mac computes HMACs for schemes.
package mac

import (
	"crypto/hmac"
	"fmt"
	"hash"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// MAC computes HMACs under one secret. It is safe for concurrent use and keeps
// the keyed state, so that a signature costs the hashing of its message only.
type MAC struct{ pool sync.Pool }

// New returns the MAC for secret as decode gives it (nil: its bytes as they
// are). The error wraps [source.ErrUnusable].
func New(newHash func() hash.Hash, decode func(string) ([]byte, error), secret source.Secret) (*MAC, error) {
	key := []byte(secret.Expose())
	if decode != nil {
		var err error
		if key, err = decode(secret.Expose()); err != nil {
			// The decoder's own words may quote the secret.
			return nil, fmt.Errorf("%w: its secret is not encoded as the scheme expects", source.ErrUnusable)
		}
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("%w: empty secret", source.ErrUnusable)
	}
	m := &MAC{}
	m.pool.New = func() any { return hmac.New(newHash, key) }
	return m, nil
}

// Append appends the MAC of the parts, one after the other, to dst.
func (m *MAC) Append(dst []byte, parts ...[]byte) []byte {
	h := m.pool.Get().(hash.Hash)
	defer m.pool.Put(h)
	h.Reset()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(dst)
}
