package mac_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
)

// A MAC is safe for concurrent use, and computes what crypto/hmac computes.
func TestMAC(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("key"))
	m, err := mac.New(sha256.New, base64.StdEncoding.DecodeString, source.NewSecret(secret))
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, []byte("key"))
	h.Write([]byte("one two"))
	want := h.Sum(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if !hmac.Equal(m.Append(nil, []byte("one "), []byte("two")), want) {
					t.Error("another MAC")
					return
				}
			}
		})
	}
	wg.Wait()
}
