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

// barred are the revoked keys, which must not come back. Only their digests are remembered
// (F102).
type barred struct {
	salt    []byte
	digests []string // oldest first
}

// maxBarred is how many revoked keys are remembered.
const maxBarred = 64

func (b *barred) add(key source.Key) {
	b.digests = append(b.digests, b.digest(key))
	b.digests = b.digests[max(len(b.digests)-maxBarred, 0):]
}

func (b *barred) has(key source.Key) bool { return slices.Contains(b.digests, b.digest(key)) }

// digest returns a digest of the key's content. The ring's salt is its key, so that outside
// the ring and its cache a digest says nothing about a key (F96).
func (b *barred) digest(key source.Key) string {
	mac := hmac.New(sha256.New, b.salt)
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
