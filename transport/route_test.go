package transport_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Reads use a read-only key and all other requests the trading key. Each key rotates
// independently.
func TestRouteByMethod(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("read1", "trade1", "trade2")
		srv := p.serve(t, g)
		base := srv.base(t)
		trading := newStore("trade1")
		tradingRing := keep(t, trading)
		rt := transport.Route(
			transport.Rule{Match: transport.Methods(http.MethodGet, http.MethodHead), Transport: unbound(keep(t, newStore("read1")), transport.Bearer(), transport.WithBase(base))},
			transport.Rule{Transport: unbound(tradingRing, transport.Bearer(), transport.WithBase(base))},
		)
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "read1", 1)
		move(t, tradingRing, trading, "trade2")
		send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order"))).want(t, http.StatusOK, "trade2", 1)
		none := get(t, srv.URL)
		none.Method = ""
		send(t, rt, none).want(t, http.StatusOK, "read1", 1)
		g.wantVersions(t, "read1", "trade2", "read1")
	})
}

// Each host has its own key, and other hosts have none. A redirect from one host to the
// other carries neither key.
//
// F53
func TestRouteByHost(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		w := newWorld(t, p)
		a, b := w.client(t, transport.Bearer()), w.client(t, transport.Header("X-Api-Key"))
		client := &http.Client{Transport: transport.Route(
			transport.Rule{Match: transport.Host("a.example.com"), Transport: a.Transport},
			transport.Rule{Match: transport.Host("b.example.com"), Transport: b.Transport},
		)}
		for _, host := range []string{"a", "b"} {
			resp, err := client.Get("https://" + host + ".example.com/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		w.want(t, true, true)
		if _, err := client.Get("https://c.example.com/"); !errors.Is(err, transport.ErrNoRoute) {
			t.Errorf("error %v", err)
		}
		w.script(map[string]redirect{"a.example.com/": {302, "https://b.example.com/"}})
		resp, err := client.Get("https://a.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		w.want(t, true, false)
	})
}

// The first rule that matches counts, even if it has no transport: the request is not
// sent with the key of the next rule.
func TestRouteWithoutATransport(t *testing.T) {
	rt := transport.Route(
		transport.Rule{Match: transport.Methods(http.MethodPost)},
		transport.Rule{Transport: takes()},
	)
	body := &countingBody{Reader: strings.NewReader("order")}
	resp, err := rt.RoundTrip(request(t, http.MethodPost, "https://api.example.com", body))
	if resp != nil || !errors.Is(err, transport.ErrNoRoute) || body.closed.Load() != 1 {
		t.Errorf("%v, error %v, body closed %d times", resp, err, body.closed.Load())
	}
	if _, err := rt.RoundTrip(get(t, "https://api.example.com")); err != nil {
		t.Error(err)
	}
}
