package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Replayable decides whether a refused request may be sent again.
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
		{"POST", "", 403, transport.Ambiguous, true},
		{"POST", "", 400, transport.ClockSkew, true},
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

// The server places the order and answers 403. The order is placed once, unless the
// request says that it may be repeated.
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
				rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), append(c.opts,
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
				// The next request gets the other key, whether this one could be sent again or not.
				send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
			})
		})
	}
}

// refusing is a server that accepts what accept says, and refuses with the given
// status.
func refusing(status int, accept func() roundTripper) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := accept()(req)
		if resp.StatusCode != http.StatusOK {
			resp.StatusCode = status
		}
		return resp, err
	}
}

// A replay policy finds the request in the answer too, even if it is asked before an
// attempt.
//
// F60
func TestReplayPolicyOfTheAnswersRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accept := takes("v1")
		base := roundTripper(func(req *http.Request) (*http.Response, error) { return accept(req) })
		ring := quiet(t, newStore("v2", "v1"))
		rt := unbound(ring, transport.Bearer(), transport.WithBase(base),
			transport.WithReplay(func(_ *http.Request, resp *http.Response, _ transport.Verdict) bool {
				return resp.Request.URL.Path != "/orders"
			}))
		send(t, rt, get(t, "https://api.example.com/things")).want(t, http.StatusOK, "v1", 2)
		accept = takes("v1", "v2")
		time.Sleep(time.Hour)
		send(t, rt, get(t, "https://api.example.com/orders")).want(t, http.StatusOK, "v1", 1)
		send(t, rt, get(t, "https://api.example.com/things")).want(t, http.StatusOK, "v2", 1)
	})
}

// A request that may not be sent again after a refusal is not used as a probe: an order
// is not if refusals are 403s. It is if refusals are 401s, since a client that only
// sends POSTs must find out that the new key is accepted.
//
// F60, F67
func TestOrderDoesNotProbe(t *testing.T) {
	t.Run("refused elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			base := refusing(http.StatusForbidden, func() roundTripper { return takes("v1") })
			ring := quiet(t, newStore("v2", "v1"))
			opts := []transport.Option{transport.WithBase(base), transport.WithClassifier(transport.Statuses(http.StatusForbidden))}
			data, orders := unbound(ring, transport.Bearer(), opts...), unbound(ring, transport.Bearer(), opts...)
			send(t, data, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 2)
			time.Sleep(time.Hour)
			send(t, orders, request(t, http.MethodPost, "https://api.example.com", strings.NewReader("order"))).want(t, http.StatusOK, "v1", 1)
		})
	})
	for code, good := range map[int]string{http.StatusForbidden: "v1", http.StatusUnauthorized: "v2"} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accept := takes("v1")
				base := refusing(code, func() roundTripper { return accept })
				ring := quiet(t, newStore("v2", "v1"))
				rt := unbound(ring, transport.Bearer(), transport.WithBase(base), transport.WithClassifier(transport.Statuses(http.StatusForbidden)))
				order := func(header string) {
					t.Helper()
					req := request(t, http.MethodPost, "https://api.example.com", strings.NewReader("order"))
					if header != "" {
						req.Header.Set(header, "1")
					}
					if a := send(t, rt, req); a.StatusCode != http.StatusOK {
						t.Errorf("status %d with %s", a.StatusCode, a.seen.Version())
					}
				}
				send(t, rt, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 2)
				for range 5 {
					time.Sleep(time.Hour)
					order("")
				}
				accept = takes("v1", "v2")
				time.Sleep(time.Hour)
				order("")
				if v := ring.Version(); v != good {
					t.Errorf("orders use %s, want %s", v, good)
				}
				order("Idempotency-Key")
				if v := ring.Version(); v != "v2" {
					t.Errorf("an order that may be sent again used %s", v)
				}
			})
		})
	}
}
