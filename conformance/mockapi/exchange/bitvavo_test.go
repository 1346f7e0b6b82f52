package exchange_test

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// bitvavo is a profile as a user would write it for an exchange that the library
// does not have. The exchange refuses keys with 403. F66
func bitvavo(opts ...provider.Option) provider.Profile {
	p := provider.Signing{
		Name: "bitvavo", Hash: sha256.New, Encode: hex.AppendEncode,
		Message: []provider.Part{provider.Millis, provider.Method, provider.Target, provider.Body},
		Headers: []provider.Header{
			{Name: "Bitvavo-Access-Key", Value: provider.ID},
			{Name: "Bitvavo-Access-Timestamp", Value: provider.Millis},
			{Name: "Bitvavo-Access-Signature", Value: provider.Signature},
		},
	}.Profile(opts...)
	p.Classifier = provider.Codes("errorCode", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"305", "309"},
		transport.ClockSkew:        {"304"},
	}, 403)
	return p
}
