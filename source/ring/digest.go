package ring

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
)

// digests are what the roster remembers of keys that it no longer has: only their digests
// (F102). The cache keeps them too.
type digests struct {
	salt    []byte
	revoked []string // of revoked keys, which must not come back; the latest is last
	current []string // of keys that were current (F170); the latest is last
}

const (
	maxRevoked = 64   // how many revoked keys are remembered
	maxCurrent = 1024 // how many keys that were current are
)

// remember appends a digest to a list of at most n, in which it is once.
func remember(list []string, digest string, n int) []string {
	list = append(slices.DeleteFunc(list, func(d string) bool { return d == digest }), digest)
	return list[max(len(list)-n, 0):]
}

// of returns a digest of the key's content. The ring's salt is its key, so that outside
// the ring and its cache a digest says nothing about a key (F96).
func (d *digests) of(key source.Key) string {
	mac := hmac.New(sha256.New, d.salt)
	part := func(s string) {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(s)))
		_, _ = io.WriteString(mac, s)
	}
	part(key.ID)
	part(key.Secret.Expose())
	for _, name := range slices.Sorted(maps.Keys(key.Extra)) {
		part(name)
		part(key.Extra[name].Expose())
	}
	return string(mac.Sum(nil))
}

func newSalt() []byte {
	salt := make([]byte, sha256.Size)
	_, _ = rand.Read(salt) // never fails
	return salt
}
