package mockapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Attempt is one request that reached the server, judged.
type Attempt struct {
	// Seq counts attempts from 1, in the order in which they were judged.
	Seq uint64 `json:"seq"`
	// Time is when it was judged.
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Host   string    `json:"host"`
	Path   string    `json:"path"`
	// Query is the raw query, with values of credential parameters redacted.
	Query string `json:"query,omitempty"`
	Proto string `json:"proto"`

	// Version is that of the key it carried; empty where that is none, or unknown.
	Version string `json:"version"`
	Replica int    `json:"replica"`
	// Accepted: the key was good. An intercept may have answered otherwise: see Status.
	Accepted bool `json:"accepted"`
	// Reason is why it was refused.
	Reason Reason `json:"reason,omitempty"`
	// Status is that of the answer; 0 while there is none. It is noted before the
	// header is sent, so that of a streamed answer it is known from the first flush
	// on, and does not tell whether the stream came to its end. Of a hijacked
	// connection it is the status in the first line that the handler writes, such as
	// 101; 0 if that is no HTTP/1 status line. What follows is not logged.
	Status int `json:"status"`

	// ContentLength is -1 where the client did not say.
	ContentLength    int64    `json:"content_length"`
	TransferEncoding []string `json:"transfer_encoding,omitempty"`
	// Header has the values of credentials replaced by "[redacted]", one for one.
	Header http.Header `json:"header"`
	// Trailer is what came after the body, once it was read.
	Trailer http.Header `json:"trailer,omitempty"`
	// BodyBytes counts what was read of the body, and BodySum is that part's
	// SHA-256 in hex; empty where nothing was read. Refused requests are not
	// read by default: see Refusal.ReadBody.
	BodyBytes int64  `json:"body_bytes"`
	BodySum   string `json:"body_sum,omitempty"`
	// BodyComplete: the body was read to its end.
	BodyComplete bool `json:"body_complete"`
}

// requestLog keeps the latest attempts. Entries change until their answer is
// out, under mu.
type requestLog struct {
	mu      sync.Mutex
	limit   int
	seq     uint64
	entries []*Attempt // a ring once it is full
	next    int
}

func (l *requestLog) reset(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.seq, l.entries, l.next = limit, 0, nil, 0
}

// add gives a its number and keeps it.
func (l *requestLog) add(a *Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	a.Seq = l.seq
	switch {
	case l.limit == 0:
	case len(l.entries) < l.limit:
		l.entries = append(l.entries, a)
	default:
		l.entries[l.next] = a
		l.next = (l.next + 1) % l.limit
	}
}

// update changes an entry.
func (l *requestLog) update(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Requests returns the attempts logged, oldest first.
func (a *API) Requests() []Attempt {
	l := &a.log
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Attempt, 0, len(l.entries))
	for _, e := range slices.Concat(l.entries[l.next:], l.entries[:l.next]) {
		list = append(list, *e) // headers are not changed once they are logged
	}
	return list
}

const redacted = "[redacted]"

// credentialHeaders are redacted whatever the Authenticator says: a client
// under test may use any of them by mistake.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "Api_key"}

// logged returns the request's header, path and query as they may be logged.
func (a *API) logged(r *http.Request) (header http.Header, path, query string) {
	header, path, query = r.Header.Clone(), r.URL.Path, r.URL.RawQuery
	if a.cfg.rawLog {
		return header, path, query
	}
	headers, params := a.cfg.auth.Credentials()
	for name, values := range header {
		named := func(n string) bool { return strings.EqualFold(n, name) }
		all := slices.ContainsFunc(credentialHeaders, named) || slices.ContainsFunc(headers, named)
		for i, v := range values {
			values[i] = hide(v, all)
		}
	}
	if query != "" {
		parts := strings.Split(query, "&")
		for i, part := range parts {
			name, value, found := strings.Cut(part, "=")
			if parts[i] = hide(name, false); found {
				parts[i] += "=" + hide(value, slices.Contains(params, name))
			}
		}
		query = strings.Join(parts, "&")
	}
	return header, hide(path, false), query
}

// hide returns v, unless it is a secret or has a generated one in it.
func hide(v string, secret bool) string {
	if secret || strings.Contains(v, Sentinel) {
		return redacted
	}
	return v
}
