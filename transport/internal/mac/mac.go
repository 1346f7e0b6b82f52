// Package mac computes HMACs for the schemes of transport and provider.
package mac

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"hash"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// A MAC computes HMACs with one secret. It is safe for concurrent use. It reuses the
// keyed state, so that a signature costs only the hashing of its message.
type MAC struct{ pool sync.Pool }

// New returns a MAC whose key is what decode returns for the secret. If decode is nil,
// the key is the secret's bytes, unless they are a PEM block: that would sign, but the server
// would refuse each request (F144). The error wraps [source.ErrUnusable].
func New(newHash func() hash.Hash, decode func(string) ([]byte, error), secret source.Secret) (*MAC, error) {
	key := []byte(secret.Expose())
	if decode == nil && bytes.Contains(key, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%w: its secret is a private key: the API takes shared secrets only", source.ErrUnusable)
	}
	if decode != nil {
		var err error
		if key, err = decode(secret.Expose()); err != nil {
			// The decoder's error may quote the secret.
			return nil, fmt.Errorf("%w: the secret is not in the encoding that the scheme requires", source.ErrUnusable)
		}
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("%w: the secret is empty", source.ErrUnusable)
	}
	m := &MAC{}
	m.pool.New = func() any { return hmac.New(newHash, key) }
	return m, nil
}

// Append appends the MAC of the concatenated parts to dst.
func (m *MAC) Append(dst []byte, parts ...[]byte) []byte {
	h := m.pool.Get().(hash.Hash)
	defer m.pool.Put(h)
	h.Reset()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(dst)
}
