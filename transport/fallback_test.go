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

// The source lists a version that the server does not know yet: the request is
// sent again with the previous one, and those after it begin with that.
//
// F60
func TestFallsBackToPreviousOn401(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		keys := keep(t, newStore("v2", "v1"))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "order" || !a.seen.Moved() {
			t.Errorf("body %q, moved %v", a.body, a.seen.Moved())
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v2", "v1", "v1")
		if n := srv.conns.Load(); n != 1 {
			t.Errorf("%d connections for 3 attempts", n)
		}
	})
}

// A refusal is judged by the version that was sent: one that comes late, for
// the old version, is answered with the new one and does not demote it.
//
// F59
func TestLateRefusalKeepsNewVersion(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1", "v2")
		arrived, release := make(chan struct{}), make(chan struct{})
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			if w.Header().Get("Served-Version") == "v1" {
				close(arrived)
				<-release
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		late := make(chan answer, 1)
		go func() {
			a, err := try(rt, get(t, srv.URL))
			if err != nil {
				t.Error(err)
			}
			late <- a
		}()
		<-arrived
		move(t, keys, s, "v2", "v1")
		close(release)
		a := <-late
		a.want(t, http.StatusOK, "v2", 2)
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 1)
		g.wantVersions(t, "v1", "v2", "v2")
	})
}

// Two rotations inside one overlap: the server takes only v2, then only v1.
//
// F68
func TestFallsBackAcrossTwoRotations(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		move(t, keys, s, "v2", "v1")
		move(t, keys, s, "v3", "v2", "v1")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
		g.accept("v1")
		a := send(t, rt, get(t, srv.URL))
		if a.StatusCode != http.StatusOK || a.seen.Version() != "v1" {
			t.Errorf("status %d with %q: %q", a.StatusCode, a.seen.Version(), g.versions())
		}
	})
}

// A previous key that was revoked at the server is not tried again and again: while no
// key is good, once a pause at the most.
//
// F70, F122
func TestRefusedPreviousIsNotTriedAgain(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		keys := keep(t, newStore("v2", "v1"), ring.WithRefusalWait(0))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		g.accept("v2") // v1 is out, early
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

// Back and forth at the source.
//
// F71
func TestRollbackAtTheSource(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1", "v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		for _, versions := range [][]string{{"v2", "v1"}, {"v1", "v2"}, {"v2", "v1"}} {
			move(t, keys, s, versions...)
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, versions[0], 1)
		}
		move(t, keys, s, "v1", "v2")
		g.accept("v2")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
	})
}

// A key that its scheme cannot use never becomes current: the good one stays,
// and nobody reads the bad one in the error.
//
// F19
func TestUnusableKeyNeverBecomesCurrent(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
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

// One odd refusal of the only key costs nothing: the request is sent once more with the
// key that the server accepted last, its body whole; if its body cannot be had again,
// it gets the refusal, and the next is served.
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
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
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
