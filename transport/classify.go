package transport

import (
	"net/http"
	"slices"
	"strings"
)

// A Verdict says what an answer means for the key that the request carried.
type Verdict uint8

// The verdicts.
const (
	// Passed: not a refusal of the key, whatever else it is.
	Passed Verdict = iota
	// Refused: the server says no because of the key. Whether the request may be
	// sent again is for the replay policy to say, by the status.
	Refused
	// RefusedUnapplied: the same, and the API documents that such an answer means
	// that the request was not carried out, so it may be sent again whatever
	// its method and status.
	RefusedUnapplied
	// Ambiguous: the answer may be about the key or about something else, such as
	// the address; either way the request was not carried out. It is sent again
	// with another key, and once more with the key that was accepted last. The
	// refusal counts against this key only if another one is accepted.
	Ambiguous
	// Inconclusive: not a refusal, and it says nothing of the key either, whatever its
	// status: the rate is too high, the server is busy, the account locked for a
	// while. A success may be one, where an API answers 200 to everything; without
	// it, such an answer would pass for an acceptance of the key.
	Inconclusive
	// ClockSkew: the server did not accept the request's time or nonce. It never
	// counts against the key; see Resync of [Traits].
	ClockSkew
)

// An Answer is a response as a [Classifier] sees it.
type Answer struct {
	Status int
	Header http.Header

	resp   *http.Response // nil: the answer was made of its parts, or has no body
	peeked *peekedBody    // resp's body, once somebody asked for it
	head   []byte         // what NewAnswer was given
	text   []byte         // for Body: nil until somebody asks
	tail   http.Header    // what NewAnswer was given
}

// Body returns the beginning of the body, at most [MaxPeek] bytes, and fewer if
// no more came within 2 s. The caller of the request still gets the body whole.
// The first call reads; a classifier that can decide without it should.
func (a *Answer) Body() []byte {
	if a.text == nil {
		a.text = plain(a.begin(MaxPeek), a.Header)
	}
	return a.text
}

// begin returns the body's beginning as it is sent, as far as n bytes.
func (a *Answer) begin(n int) []byte {
	if a.peeked == nil {
		if a.resp == nil || a.resp.Body == nil || a.resp.Body == http.NoBody {
			return a.head[:min(len(a.head), n)]
		}
		a.peeked = &peekedBody{body: a.resp.Body}
		a.peeked.more.L = &a.peeked.mu
		a.resp.Body = a.peeked
	}
	return a.peeked.peek(n)
}

// Trailer returns the trailers of an answer that has ended: like [Answer.Body] it reads
// as much of the body as that. Of an answer that is longer, or goes on, it is nil:
// nobody knows its trailers yet.
func (a *Answer) Trailer() http.Header {
	a.begin(MaxPeek)
	switch {
	case a.resp == nil:
		return a.tail
	case a.peeked != nil && !a.peeked.ended():
		return nil
	}
	return a.resp.Trailer
}

// NewAnswer returns an answer made of its parts, for trying classifiers on. A trailer
// may follow.
func NewAnswer(status int, header http.Header, body []byte, trailer ...http.Header) *Answer {
	if header == nil {
		header = http.Header{}
	}
	a := &Answer{Status: status, Header: header, head: body[:min(len(body), MaxPeek)]}
	if len(trailer) > 0 {
		a.tail = trailer[0]
	}
	return a
}

// MaxPeek is the most that a classifier sees of a body: 16 KiB.
const MaxPeek = 16 << 10

// A Classifier decides what an answer means for the key. It is called for every
// answer that is handed to a client, so it should decide by status first. It is
// safe for concurrent use, and must not change the answer.
type Classifier func(*Answer) Verdict

// RFC6750 is the default classifier: 401 refuses the key (RFC 9110 section
// 15.5.2), unless WWW-Authenticate says that it lacks the scope or that the
// request is at fault (RFC 6750 section 3.1); error="invalid_token" refuses it
// with 400 and 403 too. 407 is about a proxy, 429 about the rate: both pass.
func RFC6750(a *Answer) Verdict {
	switch a.Status {
	case http.StatusUnauthorized:
		if code := bearerError(a.Header); code == "insufficient_scope" || code == "invalid_request" {
			return Passed
		}
		return Refused
	case http.StatusForbidden, http.StatusBadRequest:
		if bearerError(a.Header) == "invalid_token" {
			return Refused
		}
	}
	return Passed
}

// Statuses returns a classifier that takes the given statuses as refusals, on
// top of [RFC6750]. Statuses(403) is for servers that answer 403 to a bad key. A 403
// does not say that the request was not carried out, so a POST is not sent again. Where
// the API checks the key before anything else, wrap it: Unapplied(Statuses(403)). Where
// that depends on the request, use [WithReplay].
func Statuses(codes ...int) Classifier {
	return func(a *Answer) Verdict {
		if slices.Contains(codes, a.Status) && bearerError(a.Header) != "insufficient_scope" {
			return Refused
		}
		return RFC6750(a)
	}
}

// bearerError returns the error code of the Bearer challenge, if there is one.
func bearerError(h http.Header) string {
	for _, challenge := range h["Www-Authenticate"] {
		scheme, params, _ := strings.Cut(strings.TrimSpace(challenge), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			// One line may hold several challenges (RFC 9110 section 11.6.1).
			i := indexFold(challenge, "bearer ")
			if i < 0 {
				continue
			}
			params = challenge[i+len("bearer "):]
		}
		for params != "" {
			var name, value string
			name, params, _ = strings.Cut(params, "=")
			params = strings.TrimLeft(params, " \t")
			if strings.HasPrefix(params, `"`) {
				value, params, _ = strings.Cut(params[1:], `"`)
				params = strings.TrimLeft(params, ", \t")
			} else {
				value, params, _ = strings.Cut(params, ",")
			}
			if strings.EqualFold(strings.Trim(name, ", \t"), "error") {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

// indexFold is strings.Index for any letter case. An index into
// strings.ToLower(s) is none into s: bytes that are no UTF-8 grow there.
func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}
