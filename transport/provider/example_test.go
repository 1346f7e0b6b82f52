package provider_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Acme is an exchange that this package does not support.
func Acme(opts ...provider.Option) provider.Profile {
	p := provider.Signing{
		Name: "acme", Hash: sha256.New, Encode: hex.AppendEncode,
		Message: []provider.Part{provider.Millis, provider.Method, provider.Target, provider.Body},
		Headers: []provider.Header{
			{Name: "ACME-KEY", Value: provider.ID},
			{Name: "ACME-TIME", Value: provider.Millis},
			{Name: "ACME-SIGN", Value: provider.Signature},
		},
	}.Profile(opts...)
	p.Origins = []string{"https://api.acme.example"}
	p.Classifier = provider.Codes("error.code", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"bad_key", "bad_signature"},
		transport.ClockSkew:        {"bad_time"},
		transport.Inconclusive:     {"rate_limit"},
	}, 400, 401)
	return p
}

// A Signing describes a new exchange.
func ExampleSigning() {
	p := Acme()
	signer, err := p.Scheme.Prepare(source.Key{ID: "my-key", Secret: source.NewSecret("my-secret")})
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest("POST", "https://api.acme.example/orders?market=BTC", strings.NewReader(`{"amount":"1"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := signer.Sign(req); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(req.Header.Get("ACME-KEY"), len(req.Header.Get("ACME-TIME")), len(req.Header.Get("ACME-SIGN")))

	answer := transport.NewAnswer(400, nil, []byte(`{"error":{"code":"bad_key"}}`))
	fmt.Println(p.Classifier(answer) == transport.RefusedUnapplied)
	// Output:
	// my-key 13 64
	// true
}
