package transport_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A previous key that the server has revoked is not tried again and again: while no key
// is accepted, at most once a pause.
//
// F70, F122
func TestRefusedPreviousIsNotTriedAgain(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		keys := keep(t, newStore("v2", "v1"), ring.WithRefusalWait(0))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		g.accept("v2") // v1 is revoked early
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
		for range 20 {
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 1)
		}
		g.accept() // and now v2 is refused too
		before := len(g.versions())
		for range 20 {
			send(t, rt, get(t, srv.URL))
		}
		tried := 0
		for _, v := range g.versions()[before:] {
			if v == "v1" {
				tried++
			}
		}
		if tried > 3 { // the fourth time is seven seconds later
			t.Fatalf("v1 was tried %d times: %q", tried, g.versions())
		}
	})
}

// A key that its scheme cannot use never becomes current. The good key stays in use,
// and the error does not contain the bad one.
//
// F19
func TestUnusableKeyNeverBecomesCurrent(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		s.mu.Lock()
		s.set = source.Set{Keys: []source.Key{{Version: "v2", Secret: source.NewSecret(sentinel + "v2\r\nX-Evil: 1")}}}
		s.mu.Unlock()
		err := keys.Refresh(t.Context())
		if !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), sentinel) {
			t.Errorf("error %v", err)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v1")
	})
}

// One spurious refusal of the only key costs nothing: the request is sent again, with
// its whole body, with the key that the server accepted last. If the body cannot be
// read again, the caller gets the refusal, and the next request is served.
//
// F123
func TestOddRefusalOfTheOnlyKey(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		var odd atomic.Bool
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if odd.Swap(false) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			g.ServeHTTP(w, r)
		}))
		var alarms atomic.Int64
		keys := keep(t, newStore("v1"), ring.WithObserver(func(e ring.Event) {
			if e.Kind == ring.AllRefused {
				alarms.Add(1)
			}
		}))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		for range 5 {
			odd.Store(true)
			a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
			a.want(t, http.StatusOK, "v1", 2)
			if a.body != "order" {
				t.Errorf("the body came back as %q", a.body)
			}
		}
		if st := keys.Status(); st.Current.Refused != 5 || st.Current.State != ring.StateAccepted || !st.Healthy || alarms.Load() > 0 {
			t.Errorf("%d alarms, %+v", alarms.Load(), st.Current)
		}
		odd.Store(true)
		req := request(t, http.MethodPost, srv.URL, strings.NewReader("order"))
		req.GetBody = nil
		send(t, rt, req).want(t, http.StatusUnauthorized, "v1", 1)
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
	})
}
