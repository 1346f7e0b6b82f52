package exchange

import (
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A request is one request as it came, its body read.
type request struct {
	*http.Request
	path, query, target string // as they stood in the request line
	body                string
	at                  time.Time     // the exchange's
	window              time.Duration // how far the request's time may be from it
}

func newRequest(r *http.Request, body []byte, at time.Time, window time.Duration) *request {
	q := &request{Request: r, target: r.RequestURI, body: string(body), at: at, window: window}
	q.path, q.query, _ = strings.Cut(r.RequestURI, "?")
	return q
}

// header returns the one value of a header; empty where there is none, or several (F48).
func (q *request) header(name string) string {
	if values := q.Header.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// A claim is what a request says about who sends it. Without an id it says nothing.
type claim struct {
	id    string
	late  bool   // its time is not within the window
	nonce uint64 // has to grow, where hasNonce
	// once is a text that may be used once; empty where there is no such thing.
	once     string
	hasNonce bool
	// check holds the proof against one key that has the id.
	check func(source.Key) fault
}

// A fault is what is wrong with a request's credentials.
type fault int

const (
	fine fault = iota
	missing
	badKey
	badSignature
	badPassphrase
	stale
	badNonce
	forbidden
	locked
)

// counts reports whether the fault is one that leads to a lockout.
func (f fault) counts() bool {
	return f == missing || f == badKey || f == badSignature || f == badPassphrase
}

// distance reports whether t is further than the window from the exchange's time.
func (q *request) distance(t time.Time) bool { return q.at.Sub(t).Abs() > q.window }

// received reports whether t is older than the window, or more than a second
// ahead, as Binance and Bybit judge.
func (q *request) received(t time.Time, window time.Duration) bool {
	return q.at.Sub(t) > window || t.Sub(q.at) >= time.Second
}
