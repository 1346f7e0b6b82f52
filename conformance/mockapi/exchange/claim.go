package exchange

import (
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A request is a received request with its body.
type request struct {
	*http.Request
	path, query, target string // as in the request line, not decoded
	body                string
	at                  time.Time     // the exchange's time of arrival
	window              time.Duration // how far the request's timestamp may be from at
}

func newRequest(r *http.Request, body []byte, at time.Time, window time.Duration) *request {
	q := &request{Request: r, target: r.RequestURI, body: string(body), at: at, window: window}
	q.path, q.query, _ = strings.Cut(q.target, "?")
	return q
}

// ascii reports whether the query, and the body if it is a form, have no byte from 0x80 on.
// Exchanges read such bytes differently, so a signature over them does not match.
func (q *request) ascii() bool {
	plain := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 }
	return plain(q.target) && (plain(q.body) || !strings.HasPrefix(q.header("Content-Type"), "application/x-www-form-urlencoded"))
}

// header returns the single value of a header, or "" if it has none or several (F48).
func (q *request) header(name string) string {
	if values := q.Header.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// A claim has the credentials of a request, read but not yet verified. Without an
// id the request has none.
type claim struct {
	id    string
	late  bool   // the timestamp is outside the window
	nonce uint64 // must grow if hasNonce is set
	// once is a value that may be used only once; empty if there is none.
	once     string
	hasNonce bool
	// check verifies the signature with a key that has the id.
	check func(source.Key) fault
}

// A fault says what is wrong with a request's credentials.
type fault int

const (
	fine fault = iota
	missing
	badKey
	expired
	badSignature
	badPassphrase
	stale
	badNonce
	forbidden
	locked
)

// counts reports whether the fault counts towards a lockout.
func (f fault) counts() bool {
	return f == missing || f == badKey || f == expired || f == badSignature || f == badPassphrase
}

// distance reports whether t differs from the exchange's time by more than the window.
func (q *request) distance(t time.Time) bool { return q.at.Sub(t).Abs() > q.window }

// received reports whether t is outside the window of Binance and Bybit: older than
// window, or a second or more ahead of the exchange's time.
func (q *request) received(t time.Time, window time.Duration) bool {
	return q.at.Sub(t) > window || t.Sub(q.at) >= time.Second
}
