package conformance_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// beyond are the cases about origins and the ring, which naive fails without a fault.
const beyond = "Redirect: another origin; RedirectBack: another origin; OtherOrigin: another origin; Lookalikes: was sent to; " +
	"PlainHTTP: over plain http; ServerFirst: a request failed; SourceFirst: attempts for; AllRefused: attempts for"

// Each fault injected into a RoundTripper fails the case that looks for it. The
// RoundTripper without a fault fails only the cases about origins and the ring, which it
// does not implement.
func TestTransportSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	faults := map[string]string{
		"changes the request": "Unchanged: changed the request's Body or GetBody",
		"nil header":          "NilHeader: RoundTrip panicked",
		"body left open":      "ClosesBody: closed after a context that had ended",
		"both":                "OneResult: both a response and an error",
		"error for refusal":   "KeepsRefusal: want the refusal",
		"refusal left open":   "Reuse: connections for",
		"drains to the end":   "EndlessRefusal: did not return",
		"another request":     "SameRequest: attempts differ",
		"half a body":         "WholeBody: the server received; NoGetBody: want the whole",
		"shares the reader":   "RewoundBody: ",
		"clone":               "Trailer: received the trailer",
		"wraps the answer":    "Upgrade: a body of type",
		"reads the answer":    "LongAnswer: did not return",
		"own error":           "Cancel: want context.Canceled; OneResult: wraps the base's error",
		"no idle":             "CloseIdle: did not call that of the base",
		"adds":                "Stacked: ",
		"keeps the first key": "Switch: status 401",
		"only falls back":     "LateRefusal: left with the old key failed",
		"outlives the caller": "Cancel: context has ended",
		"waits for ever":      "Cancel: did not return after its context had ended",
		"second body open":    "ClosesBody: whose request's context has ended",
		"endless left open":   "EndlessRefusal: every response body is closed",
		"names its own":       "ResponseRequest: resp.Request contains a secret",
		"names its second":    "ResponseRequest: resp.Request contains a secret",
		"quotes its request":  "ErrorSecrecy: an error contains a secret",
		"hides the newest":    "ErrorSecrecy: an error contains a secret",
		"any error":           "AppliedOnce: whose response was lost was applied 2 times",
		"one previous key":    "TwoRotations: status 401",
		"asks each time":      "OneReading: readings of the source for",
		"no fall-back":        "SourceFirst: status 401; SourceFirstPost: status 401; TwoRotations: status 401",
		"storms":              "AllRefused: attempts for",
		"any refusal":         "NotTheKey: attempts and status; AppliedOnce: applied and refused was applied 2 times",
		"drops Expect":        "ExpectContinue",
		"one at a time":       "Concurrent: busy",
		"context of its own":  "Early: 0 of 1 early hints",
		"a reading each":      "OneReading: readings of the source for",
		"only newer":          "Rollback: served with key version v2",
		"no key on redirects": "RedirectWithin: status 401",
	}
	faults[""] = beyond
	eachFails(t, conformance.TransportCases(), faults, kept)
	places := make(chan struct{}, 8)
	for fault, want := range faults {
		t.Run(cmp.Or(fault, "none"), func(t *testing.T) {
			t.Parallel()
			places <- struct{}{}
			defer func() { <-places }()
			limit := time.Duration(0)
			for _, what := range []string{"did not return", "ClosesBody: ", "every response body is closed"} {
				if strings.Contains(want, what) { // the case waits until the limit
					limit = 3 * time.Second
				}
			}
			failsTransport(t, fault, want, limit)
		})
	}
	t.Run("passes", func(t *testing.T) { // with the default limit
		t.Parallel()
		var passes []string
		for _, c := range conformance.TransportCases() {
			if _, fails := findings(beyond)[c.Name]; !fails && c.Name != "Streams" {
				passes = append(passes, c.Name)
			}
		}
		failsTransport(t, "", "", 0, passes...)
	})
}

// kept are the faults that show in the heap.
var kept = map[string]string{
	"keeps the body":       "Streams: the request body is held in memory",
	"keeps the answer":     "Streams: the response body is held in memory",
	"reads the body first": "Streams: before its body was read to the end",
}

func TestTransportSuiteFindsWhatIsKept(t *testing.T) {
	t.Parallel()
	for fault, want := range kept {
		failsTransport(t, fault, want, time.Second/2)
	}
	failsTransport(t, "", "", 0, "Streams")
}

// failsTransport checks that the suite finds the fault as want says; see findings. The
// cases in also must pass. limit is the harness's Limit.
func failsTransport(t *testing.T, fault, want string, limit time.Duration, also ...string) {
	wanted := findings(want)
	found(t, fault, conformance.TransportResults(t, conformance.TransportHarness{
		New: func(_ testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
			n := &naive{keys: keys, base: base, fault: fault}
			n.take()
			refresh := func() { n.take() }
			if fault == "no idle" {
				return struct{ http.RoundTripper }{n}, refresh
			}
			return n, refresh
		},
		Limit: limit,
		Skip: others(conformance.TransportCases(), func(name string) bool {
			_, ok := wanted[name]
			return ok || slices.Contains(also, name)
		}),
	}), wanted)
}

// naive is a simple RoundTripper with one fault. It attaches the key and sends a refused
// request once more: with a newer key if the source has one, else with the previous
// keys. It remembers no refusals.
type naive struct {
	keys  *conformance.Keys
	base  http.RoundTripper
	fault string

	busy  atomic.Int64
	mu    sync.Mutex
	known []source.Key // newest first
}

// take makes the source's key the current one, and returns all known keys.
func (n *naive) take() []source.Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.takeLocked()
}

func (n *naive) takeLocked() []source.Key {
	key, previous := n.keys.Current(), 2
	switch {
	case n.fault == "keeps the first key" && len(n.known) > 0,
		n.fault == "only newer" && len(n.known) > 0 && key.Version < n.known[0].Version:
		return n.known
	case n.fault == "one previous key":
		previous = 1
	}
	list := []source.Key{key}
	for _, k := range n.known {
		if k.Version != key.Version && len(list) <= previous {
			list = append(list, k)
		}
	}
	n.known = list
	return list
}

// others returns the keys to try after key was refused. Of many concurrent refusals, only
// one reads the source.
func (n *naive) others(ctx context.Context, key source.Key) []source.Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known
	switch n.fault {
	case "no fall-back", "only newer":
		return nil
	case "only falls back":
		return known[1:]
	case "a reading each":
		if set, err := n.keys.Read(ctx); err == nil {
			known = set.Keys
		}
	case "asks each time":
		known = n.takeLocked()
	default:
		if known[0].Version == key.Version {
			known = n.takeLocked()
		}
	}
	if known[0].Version != key.Version {
		return known[:1]
	}
	if n.fault == "storms" {
		return slices.Repeat(known[1:], 3)
	}
	return known[1:]
}

func (n *naive) RoundTrip(req *http.Request) (*http.Response, error) {
	key := n.take()[0]
	if n.busy.Add(1) > 1 && n.fault == "one at a time" {
		n.busy.Add(-1)
		return nil, errors.New("busy")
	}
	defer n.busy.Add(-1)
	if n.fault == "body left open" && req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	first := req.Body
	if first != nil && first != http.NoBody {
		first = &lost{ReadCloser: first}
		defer func() { first.(*lost).finish() }()
	}
	resp, err := n.send(req, first, key)
	if n.fault == "any error" && err != nil {
		body := req.Body
		if req.GetBody != nil {
			body, _ = req.GetBody()
		}
		resp, err = n.send(req, body, key)
	}
	if err != nil {
		if n.fault == "both" {
			return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody}, err
		}
		return nil, err
	}
	refused := resp.StatusCode == http.StatusUnauthorized || n.fault == "any refusal" && resp.StatusCode >= 400
	var others []source.Key
	if refused {
		others = n.others(req.Context(), key)
		for n.fault == "waits for ever" && len(others) == 0 {
			<-time.After(time.Millisecond)
			others = n.others(req.Context(), key)
		}
	}
	for ; refused && len(others) > 0; others = others[1:] {
		body, again := first, req
		switch {
		case body == nil || body == http.NoBody:
		case n.fault == "half a body":
			body = io.NopCloser(strings.NewReader("half"))
			again = new(http.Request)
			*again = *req
			again.ContentLength = -1
		default:
			if req.GetBody == nil {
				untouched := body.(*lost).take()
				if untouched == nil {
					return resp, nil
				}
				first = &lost{ReadCloser: untouched}
				body = first
				break
			}
			if sent, ok := body.(*lost); ok && n.fault != "shares the reader" {
				sent.lose()
			}
			if body, err = req.GetBody(); err != nil || body == nil {
				if n.fault == "error for refusal" {
					_ = resp.Body.Close()
					return nil, err
				}
				return resp, nil
			}
			if err := req.Context().Err(); err != nil {
				if n.fault != "second body open" {
					_ = body.Close()
				}
				_ = resp.Body.Close()
				return nil, err
			}
		}
		switch n.fault {
		case "refusal left open":
		case "endless left open":
			if resp.ContentLength >= 0 {
				_ = resp.Body.Close()
			}
		case "drains to the end":
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		default:
			if resp.ContentLength >= 0 {
				_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
			}
			_ = resp.Body.Close()
		}
		switch n.fault {
		case "another request":
			again = req.Clone(req.Context())
			again.Header.Set("X-Attempt", "2")
		case "outlives the caller":
			again = req.WithContext(context.WithoutCancel(req.Context()))
		}
		if resp, err = n.send(again, body, others[0]); err != nil {
			return nil, err
		}
		refused = resp.StatusCode == http.StatusUnauthorized
	}
	switch n.fault {
	case "reads the answer":
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(strings.NewReader(string(text)))
	case "wraps the answer":
		resp.Body = struct{ io.ReadCloser }{resp.Body}
	case "keeps the answer":
		resp.Body = tee(resp.Body)
	}
	return resp, nil
}

// lost is a body that can be taken away from an attempt. While nothing has been read of
// it, Close only notes that the attempt needs it no more.
type lost struct {
	io.ReadCloser
	reading sync.Mutex // held while a Read is under way

	mu     sync.Mutex
	read   bool // a Read has begun
	closed bool // by the attempt
	over   bool // reads fail
	given  bool // another attempt has the body
	done   bool // no other attempt will
}

func (l *lost) Read(p []byte) (int, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	l.read = true
	over := l.over
	l.mu.Unlock()
	if over {
		return 0, errors.New("the body now belongs to another attempt")
	}
	return l.ReadCloser.Read(p)
}

func (l *lost) Close() error {
	l.mu.Lock()
	l.closed = true
	waits := l.given || !l.read && !l.done
	l.mu.Unlock()
	if waits {
		return nil
	}
	return l.ReadCloser.Close()
}

// take returns the body for another attempt, nil if something was read of it.
func (l *lost) take() io.ReadCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read {
		return nil
	}
	l.over, l.given = true, true
	return l.ReadCloser
}

// finish closes the body if the attempt has, and no other attempt got it.
func (l *lost) finish() {
	l.mu.Lock()
	l.done = true
	closes := l.closed && !l.given
	l.mu.Unlock()
	if closes {
		_ = l.ReadCloser.Close()
	}
}

// lose makes reads fail. It waits for the one that is under way.
func (l *lost) lose() {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// tee returns body and keeps all that is read of it.
func tee(body io.ReadCloser) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, new(bytes.Buffer)), body}
}

func (n *naive) send(req *http.Request, body io.ReadCloser, key source.Key) (*http.Response, error) {
	out := new(http.Request)
	*out = *req
	switch n.fault {
	case "context of its own":
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		context.AfterFunc(req.Context(), cancel)
		out = req.WithContext(ctx)
		out.Header = req.Header.Clone()
	case "drops Expect":
		out.Header = req.Header.Clone()
		out.Header.Del("Expect")
	case "clone":
		out = req.Clone(req.Context())
	case "changes the request":
		out = req
	case "nil header":
		out.Header = req.Header.Clone()
	default:
		out.Header = make(http.Header)
		for name, values := range req.Header {
			out.Header[name] = values
		}
	}
	out.Body = body
	if n.fault == "reads the body first" && body != nil {
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		out.Body = io.NopCloser(strings.NewReader(string(text)))
	}
	if n.fault == "keeps the body" && body != nil {
		out.Body = tee(body)
	}
	value := "Bearer " + key.Secret.Expose()
	switch {
	case n.fault == "adds":
		out.Header.Add("Authorization", value)
	case n.fault == "no key on redirects" && req.Response != nil:
	default:
		out.Header.Set("Authorization", value)
	}
	resp, err := n.base.RoundTrip(out)
	n.mu.Lock()
	newest := n.known[0].Version == key.Version
	n.mu.Unlock()
	switch {
	case err == nil:
		if n.fault != "names its own" && (n.fault != "names its second" || newest) {
			resp.Request = req
		}
	case n.fault == "own error":
		return nil, errors.New("failed")
	case n.fault == "quotes its request", n.fault == "hides the newest" && !newest:
	default:
		err = hidden{err, key}
	}
	return resp, err
}

// hidden is an error whose text does not show the key.
type hidden struct {
	error
	key source.Key
}

func (h hidden) Unwrap() error { return h.error }
func (h hidden) Error() string {
	return strings.ReplaceAll(h.error.Error(), h.key.Secret.Expose(), "[the key]")
}

func (n *naive) CloseIdleConnections() {
	n.base.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
