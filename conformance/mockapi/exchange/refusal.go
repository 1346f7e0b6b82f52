package exchange

import (
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// answers has an exchange's responses to faults. If it has none for a fault, refuse
// uses that of another fault; see instead.
type answers map[fault]answer

type answer struct {
	status int
	body   string
}

// instead maps a fault to the fault whose answer is used if it has none.
var instead = map[fault]fault{
	missing: badKey, expired: badKey, badPassphrase: badSignature, badSignature: badKey, badNonce: stale, stale: badSignature,
}

// answer returns the answer to f at the path of r.
func (v *venue) answer(r *http.Request, f fault) (answer, bool) {
	for prefix, own := range v.elsewhere {
		if a, ok := own[f]; ok && strings.HasPrefix(r.URL.Path, prefix) {
			return a, true
		}
	}
	a, ok := v.answers[f]
	return a, ok
}

// refuse returns the exchange's refusal of r for f.
func (e *Exchange) refuse(r *http.Request, f fault) *mockapi.Refusal {
	a, ok := e.venue.answer(r, f)
	for !ok && f != fine {
		f = instead[f]
		a, ok = e.venue.answer(r, f)
	}
	if isLogin(r) && e.venue.message != nil {
		a.body = e.venue.message(a.status, a.body)
	}
	h := http.Header{
		"Content-Type": {"application/json"},
		// A client can learn the exchange's time from this (RFC 9110 section 6.6.1).
		"Date": {e.now().UTC().Format(http.TimeFormat)},
	}
	return &mockapi.Refusal{Status: a.status, Header: h, Body: a.body}
}
