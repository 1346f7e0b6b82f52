package conformance_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// beyond are the cases about origins, secrecy and the ring.
const beyond = "ErrorSecrecy Redirect RedirectBack OtherOrigin Lookalikes PlainHTTP ServerFirst SourceFirst LateRefusal AllRefused ResponseRequest"

// Each fault that is put into a RoundTripper on purpose fails the case that is
// there for it. The RoundTripper without faults fails those about origins,
// secrecy and the ring, of which it knows nothing, and no other.
func TestTransportSuiteFindsFaults(t *testing.T) {
	faults := map[string]string{
		"":                     "",
		"changes the request":  "Unchanged",
		"nil header":           "NilHeader",
		"body left open":       "ClosesBody",
		"both":                 "OneResult",
		"error for refusal":    "KeepsRefusal",
		"refusal left open":    "Reuse",
		"drains to the end":    "EndlessRefusal",
		"reads the body first": "Streams",
		"another request":      "SameRequest",
		"half a body":          "WholeBody NoGetBody",
		"clone":                "Trailer",
		"wraps the answer":     "Upgrade",
		"reads the answer":     "LongAnswer",
		"own error":            "Cancel OneResult",
		"no idle":              "CloseIdle",
		"adds":                 "Stacked",
		"keeps the first key":  "Switch",
		"no fall-back":         "SourceFirst SourceFirstPost TwoRotations",
		"storms":               "AllRefused",
		"any refusal":          "NotTheKey AppliedOnce",
		"drops Expect":         "ExpectContinue",
		"one at a time":        "Concurrent",
		"context of its own":   "Early",
		"a reading each":       "OneReading",
		"only newer":           "Rollback",
		"no key on redirects":  "RedirectWithin",
	}
	eachFails(t, conformance.TransportCases(), faults, strings.Fields(beyond)...)
	for fault, want := range faults {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			failed := make(map[string]string)
			skip := make(map[string]string)
			for _, c := range conformance.TransportCases() {
				if want != "" && !strings.Contains(" "+want+" ", " "+c.Name+" ") {
					skip[c.Name] = "not what the fault is about"
				}
			}
			results := conformance.TransportResults(t, conformance.TransportHarness{
				New: func(_ testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
					n := &naive{keys: keys, base: base, fault: fault}
					if fault == "no idle" {
						return struct{ http.RoundTripper }{n}, nil
					}
					return n, nil
				},
				Limit: 3 * time.Second,
				Skip:  skip,
			})
			for _, r := range results {
				if r.Outcome == conformance.Failed {
					failed[r.Name] = r.Detail
				}
				if strings.Contains(r.Detail, conformance.Sentinel) {
					t.Errorf("the detail of %s holds a secret", r.Name)
				}
			}
			if fault == "" {
				want = beyond
			}
			for name := range strings.FieldsSeq(want) {
				if failed[name] == "" {
					t.Errorf("%s passed", name)
				}
				delete(failed, name)
			}
			for name, detail := range failed {
				t.Errorf("%s: %s", name, detail)
			}
		})
	}
}

// naive puts the key on, and sends a refused request once more with the key
// before, for every request anew. It has one fault.
type naive struct {
	keys  *conformance.Keys
	base  http.RoundTripper
	fault string

	busy          atomic.Int64
	mu            sync.Mutex
	key, previous source.Key
}

func (n *naive) current() (key, previous source.Key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.keys.Current()
	if n.fault == "only newer" && now.Version < n.key.Version {
		now = n.key
	}
	keeps := n.fault == "keeps the first key" || n.fault == "a reading each"
	if now.Version != n.key.Version && (!keeps || n.key.Version == "") {
		n.key, n.previous = now, n.key
	}
	return n.key, n.previous
}

func (n *naive) RoundTrip(req *http.Request) (*http.Response, error) {
	key, previous := n.current()
	if n.busy.Add(1) > 1 && n.fault == "one at a time" {
		n.busy.Add(-1)
		return nil, errors.New("busy")
	}
	defer n.busy.Add(-1)
	if n.fault == "body left open" && req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	resp, err := n.send(req, req.Body, key)
	if err != nil {
		if n.fault == "both" {
			return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody}, err
		}
		return nil, err
	}
	refused := resp.StatusCode == http.StatusUnauthorized || n.fault == "any refusal" && resp.StatusCode >= 400
	tries := 1
	switch n.fault {
	case "storms":
		tries = 3
	case "no fall-back", "only newer":
		tries = 0
	case "a reading each":
		if refused {
			if set, err := n.keys.Read(req.Context()); err == nil {
				previous = set.Keys[0]
			}
		}
	}
	for ; refused && tries > 0 && previous.Version != ""; tries-- {
		body, again := req.Body, req
		switch {
		case body == nil || body == http.NoBody:
		case n.fault == "half a body":
			body = io.NopCloser(strings.NewReader("half"))
			again = new(http.Request)
			*again = *req
			again.ContentLength = -1
		default:
			if req.GetBody == nil {
				return resp, nil
			}
			if body, err = req.GetBody(); err != nil {
				if n.fault == "error for refusal" {
					_ = resp.Body.Close()
					return nil, err
				}
				return resp, nil
			}
		}
		switch n.fault {
		case "refusal left open":
		case "drains to the end":
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		default:
			if resp.ContentLength >= 0 {
				_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
			}
			_ = resp.Body.Close()
		}
		if n.fault == "another request" {
			again = req.Clone(req.Context())
			again.Header.Set("X-Attempt", "2")
		}
		if resp, err = n.send(again, body, previous); err != nil {
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
	}
	return resp, nil
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
	value := "Bearer " + key.Secret.Expose()
	switch {
	case n.fault == "adds":
		out.Header.Add("Authorization", value)
	case n.fault == "no key on redirects" && req.Response != nil:
	default:
		out.Header.Set("Authorization", value)
	}
	resp, err := n.base.RoundTrip(out)
	if n.fault == "own error" && err != nil {
		return nil, errors.New("failed")
	}
	return resp, err
}

func (n *naive) CloseIdleConnections() {
	n.base.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
