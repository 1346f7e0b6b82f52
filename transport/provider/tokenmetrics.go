package provider

import "github.com/rollingkeys/rollingkeys/transport"

// TokenMetrics is the Token Metrics data API. Its pages and its clients do not
// agree on the name of the header: header is "x-api-key" if empty, and "api_key"
// for endpoints that want that.
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
