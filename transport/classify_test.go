package transport_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// RFC6750 classifies answers as RFC 6750 section 3.1 and RFC 9110 section 15.5.2 say.
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
		{401, []string{`Bearer error="insufficient_scope`}, transport.Passed}, // a missing quote
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

// A refusal may have another status than 401, and may be in the body.
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
				rt := unbound(ring, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(c.classifier))
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

// A refusal because of clock skew never counts against the key. If the scheme learned
// the time, the request is signed again with the same key, once; otherwise the caller
// gets the refusal.
//
// F65
func TestClockIsNoMarkAgainstTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		scheme   transport.Scheme
		attempts int
	}{
		"learns": {resyncing(transport.Bearer()), 2}, "does not": {transport.Bearer(), 1},
		"panics": {with(transport.Bearer(), func(traits *transport.Traits) { traits.Resync = func(*transport.Answer) bool { panic("resync") } }), 1},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate() // refuses every key
				srv := p.serve(t, g)
				ring := keep(t, newStore("v2", "v1"))
				rt := unbound(ring, c.scheme, transport.WithBase(srv.base(t)), transport.WithClassifier(clockOn401))
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

func ambiguousOn401(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusUnauthorized {
		return transport.Ambiguous
	}
	return transport.Passed
}

// After an ambiguous refusal one attempt is made with another version. The refusal
// counts against the first version only if the second is accepted. The source is read
// once.
//
// F65
func TestAmbiguousCountsOnlyIfAnotherHelps(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		ring := keep(t, s)
		rt := unbound(ring, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(ambiguousOn401))
		reads := s.count()
		send(t, rt, get(t, srv.URL)).want(t, http.StatusUnauthorized, "v1", 2)
		if st := ring.Status(); st.InUse != "v2" || !st.Healthy || s.count() != reads+1 {
			t.Errorf("in use %s, healthy %v, %d readings more", st.InUse, st.Healthy, s.count()-reads)
		}
		g.accept("v1")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		if v := ring.Version(); v != "v1" {
			t.Errorf("%s is in use", v)
		}
	})
}
