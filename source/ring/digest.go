package ring

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"github.com/rollingkeys/rollingkeys/source"
	"io"
	"maps"
	"slices"
)

// digest tells keys apart by what they are to a server, without holding them: for
// keys that must not come back, of which nothing else is kept (F102). The ring's
// salt keys it, so that it says nothing outside the ring and its cache (F96).
func (r *Ring) digest(key source.Key) string {
	mac := hmac.New(sha256.New, r.salt)
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
