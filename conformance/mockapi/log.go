package mockapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Attempt is the log entry of one request that reached the server.
type Attempt struct {
	// Seq numbers the attempts from 1, in the order in which they were logged.
	Seq uint64 `json:"seq"`
	// Time is when the server authenticated the request.
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Host   string    `json:"host"`
	Path   string    `json:"path"`
	// Query is the raw query, with the values of credential parameters replaced
	// by "[redacted]".
	Query string `json:"query,omitempty"`
	Proto string `json:"proto"`

	// Version is the version whose credentials the request carried; empty if the
	// request had none, or those of no issued key.
	Version string `json:"version"`
	Replica int    `json:"replica"`
	// Accepted says that the key was accepted. An [InterceptFunc] may still have
	// answered otherwise; see Status.
	Accepted bool `json:"accepted"`
	// Reason is why the key was refused; empty if it was accepted.
	Reason Reason `json:"reason,omitempty"`
	// Status is the status of the response; 0 until the response begins. It is
	// logged before the header is sent. So it is known from the first flush of a
	// streamed response on, and does not say whether the stream was complete. For
	// a hijacked connection it is the status in the first line that the handler
	// writes, such as 101, or 0 if that is no HTTP/1 status line.
	Status int `json:"status"`

	// ContentLength is -1 if the client sent no length.
	ContentLength    int64    `json:"content_length"`
	TransferEncoding []string `json:"transfer_encoding,omitempty"`
	// Header has each credential value replaced by "[redacted]".
	Header http.Header `json:"header"`
	// Trailer is set when the body has been read to its end.
	Trailer http.Header `json:"trailer,omitempty"`
	// BodyBytes is how many bytes of the body were read. BodySum is their SHA-256
	// in hex, empty if nothing was read. By default the server does not read the
	// body of a refused request; see [Refusal] for its field ReadBody.
	BodyBytes int64  `json:"body_bytes"`
	BodySum   string `json:"body_sum,omitempty"`
	// BodyComplete says that the body was read to its end.
	BodyComplete bool `json:"body_complete"`
}

// requestLog keeps the latest attempts. mu guards the entries too, which change
// until the request is finished.
type requestLog struct {
	mu      sync.Mutex
	limit   int
	seq     uint64
	entries []*Attempt // a circular buffer once it has limit entries
	next    int
}

func (l *requestLog) reset(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.seq, l.entries, l.next = limit, 0, nil, 0
}

// add sets a.Seq and keeps a.
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

// update calls f, which changes an entry, under the lock.
func (l *requestLog) update(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Requests returns copies of the logged attempts, oldest first; see
// [WithLogLimit] for how many.
func (a *API) Requests() []Attempt {
	l := &a.log
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Attempt, 0, len(l.entries))
	for _, e := range slices.Concat(l.entries[l.next:], l.entries[:l.next]) {
		list = append(list, *e) // sharing the header is safe: it does not change after logging
	}
	return list
}

const redacted = "[redacted]"

// credentialHeaders are redacted with every Authenticator, because a client under
// test may use any of them by mistake.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "Api_key"}

// logged returns the request's header, path and query without credentials.
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

// hide returns v, or "[redacted]" if secret is set or v contains a sentinel.
func hide(v string, secret bool) string {
	if secret || strings.Contains(v, Sentinel) {
		return redacted
	}
	return v
}
