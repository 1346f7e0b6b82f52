package transport

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// A Verdict says what an answer means for the key that the request carried.
type Verdict uint8

// The verdicts.
const (
	// Passed: the answer does not refuse the key.
	Passed Verdict = iota
	// Refused: the server refused the request because of its key. The replay policy
	// decides by the status whether the request may be sent again.
	Refused
	// RefusedUnapplied: like Refused, and the API documents that the request was not
	// carried out. It may be sent again, whatever its method and the status.
	RefusedUnapplied
	// Ambiguous: the refusal may be about the key or about something else, such as the
	// client's address; in both cases the request was not carried out. The transport
	// sends it again with another key, and then with the key that was accepted last. The
	// refusal counts against a key only if the server accepts another one.
	Ambiguous
	// Inconclusive: the answer is not a refusal and says nothing about the key, whatever
	// its status: too many requests, a busy server, an account locked for a while. If an
	// API answers 200 to everything, its errors need this verdict: a 200 that passes
	// counts as an acceptance of the key.
	Inconclusive
	// ClockSkew: the server refused the request's time or nonce. This never counts
	// against the key. See Resync of [Traits].
	ClockSkew
)

// An Answer is a response as a [Classifier] sees it.
type Answer struct {
	Status int
	Header http.Header

	resp   *http.Response // nil: NewAnswer made the answer
	peeked *peekedBody    // resp's body, once begin was called
	head   []byte         // the body that NewAnswer was given
	text   []byte         // the result of Body; nil: not called yet
	tail   http.Header    // the trailer that NewAnswer was given
}

// Body returns the beginning of the body, uncompressed: at most [MaxPeek] bytes, and
// fewer if no more arrive within 2 s. The caller of the request still gets the whole
// body. The first call blocks while it reads, so a classifier should decide without the
// body if it can.
func (a *Answer) Body() []byte {
	if a.text == nil {
		a.text = plain(a.begin(MaxPeek), a.Header)
	}
	return a.text
}

// begin returns up to n bytes from the beginning of the body, not decompressed.
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

// Trailer returns the trailers of the answer. They come after the body, so Trailer
// reads as much of it as [Answer.Body] and blocks as long. It returns nil if the body
// has not ended by then.
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

// NewAnswer returns an Answer with the given parts, for tests of classifiers. At most
// one trailer is used. Body returns at most [MaxPeek] bytes of body.
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

// MaxPeek is how much of a body a classifier can read at most: 16 KiB.
const MaxPeek = 16 << 10

// A Classifier decides what an answer means for the key. The transport calls it for
// every answer to a request with a key, so it should decide by the status first. It
// must be safe for concurrent use and must not change the answer. If it panics, the
// answer passes.
type Classifier func(*Answer) Verdict

// RFC6750 is the default classifier. A 401 refuses the key (RFC 9110 section 15.5.2),
// unless WWW-Authenticate has the error insufficient_scope or invalid_request (RFC 6750
// section 3.1). A 400 or 403 refuses it if that error is invalid_token. All other
// answers pass, also 407, which is about a proxy, and 429, which is about the rate.
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

// Statuses returns a classifier that treats the given statuses as refusals, unless
// WWW-Authenticate has the error insufficient_scope. It classifies other answers like
// [RFC6750]. Statuses(403) is for servers that answer 403 to a bad key.
//
// A 403 does not prove that the request was not carried out, so a POST is not sent
// again. If the API checks the key before anything else, use Unapplied(Statuses(403)).
// If that depends on the request, use [WithReplay].
func Statuses(codes ...int) Classifier {
	return func(a *Answer) Verdict {
		if slices.Contains(codes, a.Status) && bearerError(a.Header) != "insufficient_scope" {
			return Refused
		}
		return RFC6750(a)
	}
}

// bearerError returns the error code of the Bearer challenge, or "".
func bearerError(h http.Header) string {
	for _, value := range h["Www-Authenticate"] {
		for _, c := range header.ParseChallenges(value) {
			if code := c.Param("error"); code != "" && header.EqualFold(c.Scheme, "Bearer") {
				return strings.TrimSpace(code)
			}
		}
	}
	return ""
}
