package provider

import "github.com/rollingkeys/rollingkeys/transport"

// TokenMetrics returns the profile of the Token Metrics data API. Its pages and clients
// disagree about the header's name. header is that name; empty means "x-api-key". Some
// endpoints want "api_key".
//
// https://developers.tokenmetrics.com/reference
func TokenMetrics(header string) Profile {
	if header == "" {
		header = "x-api-key"
	}
	p := Generic(transport.Header(header), "https://api.tokenmetrics.com")
	p.Name = "tokenmetrics"
	return p
}
