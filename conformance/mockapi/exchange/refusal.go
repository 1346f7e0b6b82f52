package exchange

import (
	"net/http"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// answers are an exchange's words for what it refuses. Where it has none for a
// fault, the next one that it has is taken: see refuse.
type answers map[fault]answer

type answer struct {
	status int
	body   string
}

// instead is the fault whose answer serves for another one.
var instead = map[fault]fault{
	missing: badKey, badPassphrase: badSignature, badSignature: badKey, badNonce: stale, stale: badSignature,
}

// refuse returns the exchange's answer to f.
func (e *Exchange) refuse(f fault) *mockapi.Refusal {
	a, ok := e.venue.answers[f]
	for !ok && f != fine {
		f = instead[f]
		a, ok = e.venue.answers[f]
	}
	h := http.Header{
		"Content-Type": {"application/json"},
		// What a client learns the exchange's clock from (RFC 9110 section 6.6.1).
		"Date": {e.now().UTC().Format(http.TimeFormat)},
	}
	return &mockapi.Refusal{Status: a.status, Header: h, Body: a.body}
}
