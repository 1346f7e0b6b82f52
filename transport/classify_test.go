package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// What RFC 6750 section 3.1 and RFC 9110 section 15.5.2 make of an answer.
//
// F51, F65
func TestRFC6750(t *testing.T) {
	for _, c := range []struct {
		status    int
		challenge []string
		want      transport.Verdict
	}{
		{401, nil, transport.Refused},
		{401, []string{`Bearer`}, transport.Refused},
		{401, []string{`Bearer realm="x"`}, transport.Refused},
		{401, []string{`Bearer realm="x", error="invalid_token", error_description="expired"`}, transport.Refused},
		{401, []string{`Bearer error="insufficient_scope"`}, transport.Passed},
		{401, []string{`bearer ERROR=insufficient_scope`}, transport.Passed},
		{401, []string{`Bearer realm="a=b, error=c" , error = "insufficient_scope"`}, transport.Passed},
		{401, []string{`Bearer error="invalid_request"`}, transport.Passed},
		{401, []string{`Basic realm="x"`, `Bearer error="insufficient_scope"`}, transport.Passed},
		{401, []string{`Basic realm="x", Bearer error="insufficient_scope"`}, transport.Passed},
		{401, []string{`Basic error="insufficient_scope"`}, transport.Refused},
		{401, []string{`Bearer error="insufficient_scope`}, transport.Passed}, // torn quotes
		{403, nil, transport.Passed},
		{403, []string{`Bearer error="insufficient_scope", scope="write"`}, transport.Passed},
		{403, []string{`Bearer error="invalid_token"`}, transport.Refused},
		{400, []string{`Bearer error="invalid_token"`}, transport.Refused},
		{400, []string{`Bearer error="invalid_request"`}, transport.Passed},
		{407, []string{`Bearer error="invalid_token"`}, transport.Passed},
		{429, []string{`Bearer error="invalid_token"`}, transport.Passed},
		{200, []string{`Bearer error="invalid_token"`}, transport.Passed},
		{500, nil, transport.Passed},
	} {
		a := transport.NewAnswer(c.status, http.Header{"Www-Authenticate": c.challenge}, nil)
		if got := transport.RFC6750(a); got != c.want {
			t.Errorf("%d %q: verdict %d, want %d", c.status, c.challenge, got, c.want)
		}
	}
	if transport.RFC6750(transport.NewAnswer(401, nil, nil)) != transport.Refused || (&transport.Answer{}).Body() != nil {
		t.Error("an answer without header or body")
	}
}

// Refusals that are not 401, by status and by the body.
//
// F65, F66
func TestRefusalsByOtherStatuses(t *testing.T) {
	inBody := func(a *transport.Answer) transport.Verdict {
		if strings.Contains(string(a.Body()), "invalid key") {
			return transport.RefusedUnapplied
		}
		return transport.RFC6750(a)
	}
	for name, c := range map[string]struct {
		classifier transport.Classifier
		status     int
		challenge  string
		body       string
		attempts   int
	}{
		"403 by default":       {nil, 403, "", "", 1},
		"403":                  {transport.Statuses(403), 403, "", "", 2},
		"401 still":            {transport.Statuses(403), 401, "", "", 2},
		"403, scope":           {transport.Statuses(403), 403, `Bearer error="insufficient_scope"`, "", 1},
		"401, scope":           {nil, 401, `Bearer error="insufficient_scope"`, "", 1},
		"400 in the body":      {inBody, 400, "", `{"error":"invalid key"}`, 2},
		"200 in the body":      {inBody, 200, "", `{"error":"invalid key"}`, 2},
		"500 in the body":      {inBody, 500, "", `{"error":"invalid key"}`, 2},
		"400 for other things": {inBody, 400, "", `{"error":"invalid quantity"}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				g.refuse = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("WWW-Authenticate", c.challenge)
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				}
				srv := p.serve(t, g)
				ring := keep(t, newStore("v2", "v1"))
				rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(c.classifier))
				a := send(t, rt, get(t, srv.URL))
				if c.attempts == 2 {
					a.want(t, http.StatusOK, "v1", 2)
					return
				}
				a.want(t, c.status, "v2", 1)
				if a.body != c.body {
					t.Errorf("body %q", a.body)
				}
				if n := ring.Status().Current.Refused; n != 0 {
					t.Errorf("counted as %d refusals", n)
				}
			})
		})
	}
}

// Whether a refused request may be sent again.
//
// F67
func TestReplayable(t *testing.T) {
	for _, c := range []struct {
		method  string
		header  string
		status  int
		verdict transport.Verdict
		want    bool
	}{
		{"POST", "", 401, transport.Refused, true},
		{"PATCH", "", 401, transport.Refused, true},
		{"GET", "", 403, transport.Refused, true},
		{"", "", 403, transport.Refused, true},
		{"HEAD", "", 400, transport.Refused, true},
		{"OPTIONS", "", 200, transport.Refused, true},
		{"TRACE", "", 500, transport.Refused, true},
		{"POST", "", 403, transport.Refused, false},
		{"PUT", "", 403, transport.Refused, false},
		{"DELETE", "", 200, transport.Refused, false},
		{"POST", "Idempotency-Key", 403, transport.Refused, true},
		{"POST", "X-Idempotency-Key", 500, transport.Refused, true},
		{"POST", "", 403, transport.RefusedUnapplied, true},
		{"POST", "", 403, transport.Doubtful, true},
		{"POST", "", 400, transport.Clock, true},
	} {
		req := request(t, c.method, "https://api.example.com", nil)
		req.Method = c.method
		if c.header != "" {
			req.Header.Set(c.header, "1")
		}
		if got := transport.Replayable(req, &http.Response{StatusCode: c.status}, c.verdict); got != c.want {
			t.Errorf("%s %s after %d, verdict %d: %v, want %v", c.method, c.header, c.status, c.verdict, got, c.want)
		}
	}
}

// The server acts on the order and answers 403 all the same: the order is there
// once, unless the request says that it may be repeated.
//
// F67
func TestOrderIsNotPlacedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		opts   []transport.Option
		orders int
	}{
		"by default":          {"", nil, 1},
		"idempotent":          {"Idempotency-Key", nil, 2},
		"the caller's policy": {"", []transport.Option{transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { return true })}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				orders := 0
				g.refuse = func(w http.ResponseWriter, _ *http.Request) {
					orders++
					http.Error(w, "placed, but", http.StatusForbidden)
				}
				g.serve = func(http.ResponseWriter, *http.Request) { orders++ }
				srv := p.serve(t, g)
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), append(c.opts,
					transport.WithBase(srv.base(t)), transport.WithClassifier(transport.Statuses(403)))...)
				req := request(t, http.MethodPost, srv.URL, strings.NewReader("order"))
				if c.header != "" {
					req.Header.Set(c.header, "1")
				}
				a := send(t, rt, req)
				if orders != c.orders {
					t.Errorf("%d orders, want %d", orders, c.orders)
				}
				if c.orders == 1 && a.body != "placed, but\n" {
					t.Errorf("body %q", a.body)
				}
				// The next request knows better, whether this one could be repeated or not.
				send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
			})
		})
	}
}

// An answer about the clock is no mark against the key: signed anew once, with
// the same one, if the scheme learnt something; else it goes back.
//
// F65
func TestClockIsNoMarkAgainstTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		scheme   transport.Scheme
		attempts int
	}{
		"learns": {resyncing{transport.Bearer()}, 2}, "does not": {transport.Bearer(), 1},
		"panics": {panicking{transport.Bearer()}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate() // refuses every key
				srv := p.serve(t, g)
				ring := keep(t, newStore("v2", "v1"))
				rt := transport.New(ring, c.scheme, transport.WithBase(srv.base(t)), transport.WithClassifier(clockOn401))
				a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
				a.want(t, http.StatusUnauthorized, "v2", c.attempts)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				if st := ring.Status(); st.Current.Refused != 0 || st.Current.InFlight != 0 || !st.Healthy {
					t.Errorf("status %+v", st.Current)
				}
			})
		})
	}
}

type panicking struct{ transport.Scheme }

func (panicking) Resync(*transport.Answer) bool { panic("resync") }

func doubtfulOn401(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusUnauthorized {
		return transport.Doubtful
	}
	return transport.Passed
}

// A doubtful answer gets one try with another version, and marks the first
// only if that helped.
//
// F65
func TestDoubtfulCountsOnlyIfAnotherHelps(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(doubtfulOn401))
		reads := s.count()
		send(t, rt, get(t, srv.URL)).want(t, http.StatusUnauthorized, "v1", 2)
		if st := ring.Status(); st.InUse != "v2" || !st.Healthy || s.count() != reads {
			t.Errorf("in use %s, healthy %v, %d readings more", st.InUse, st.Healthy, s.count()-reads)
		}
		g.accept("v1")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		if v := ring.Version(); v != "v1" {
			t.Errorf("%s is in use", v)
		}
	})
}

// Callbacks that panic: the answer goes back, the next request works, and no
// attempt counts as being out for ever.
//
// F97
func TestPanicsInCallbacks(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"classifier": {transport.WithClassifier(func(*transport.Answer) transport.Verdict { panic("classifier") })},
		"reading": {transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
			_ = a.Body()
			panic("classifier")
		})},
		"replay": {transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { panic("replay") })},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				ring := keep(t, newStore("v2", "v1"), source.WithObserver(func(source.Event) { panic("observer") }))
				rt := transport.New(ring, transport.Bearer(), append(opts, transport.WithBase(srv.base(t)))...)
				a := send(t, rt, get(t, srv.URL))
				a.want(t, http.StatusUnauthorized, "v2", 1)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				g.accept("v1", "v2")
				if a := send(t, rt, get(t, srv.URL)); a.StatusCode != http.StatusOK {
					t.Errorf("status %d", a.StatusCode)
				}
				for _, v := range ring.Status().Versions {
					if v.InFlight != 0 {
						t.Errorf("%s: %d attempts in flight", v.Version, v.InFlight)
					}
				}
			})
		})
	}
	t.Run("signer", func(t *testing.T) {
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error { panic("signing with " + k.Secret.Expose()) }), nil
		})
		ring := keep(t, newStore("v1"))
		body := &countingBody{Reader: strings.NewReader("order")}
		resp, err := transport.New(ring, signs, transport.WithBase(stub{})).RoundTrip(request(t, http.MethodPost, "https://api.example.com", body))
		if resp != nil || err == nil || strings.Contains(err.Error(), sentinel) || body.closed.Load() == 0 {
			t.Errorf("%v, error %v, closed %d times", resp, err, body.closed.Load())
		}
		if n := ring.Status().Current.InFlight; n != 0 {
			t.Errorf("%d attempts in flight", n)
		}
	})
	t.Run("scheme", func(t *testing.T) {
		prepares := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) { panic(k.Secret.Expose()) })
		_, err := transport.New(keep(t, newStore("v1")), prepares, transport.WithBase(stub{})).RoundTrip(get(t, "https://api.example.com"))
		if err == nil || strings.Contains(fmt.Sprintf("%v %#v", err, err), sentinel) {
			t.Errorf("error %v", err)
		}
	})
}
