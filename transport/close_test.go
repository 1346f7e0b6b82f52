package transport_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// F44: idle connections belong to the base. A base without the method is allowed.
func TestCloseIdleConnections(t *testing.T) {
	closer := &closingBase{}
	keys := keep(t, newStore("v1"))
	rt := unbound(keys, transport.Bearer(), transport.WithBase(closer))
	(&http.Client{Transport: rt}).CloseIdleConnections()
	(&http.Client{Transport: transport.Route(transport.Rule{Transport: rt}, transport.Rule{})}).CloseIdleConnections()
	if n := closer.closed.Load(); n != 2 {
		t.Errorf("forwarded %d times, want 2", n)
	}
	unbound(keys, transport.Bearer(), transport.WithBase(stub{})).CloseIdleConnections()
}

type closingBase struct {
	stub
	closed  atomic.Int64
	closing chan struct{}
}

func (c *closingBase) CloseIdleConnections() {
	c.closed.Add(1)
	if c.closing != nil {
		c.closing <- struct{}{}
	}
}

// F106: requests that are under way when the ring closes finish.
func TestCloseLetsRequestsFinish(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		arrived, release := make(chan struct{}), make(chan struct{})
		g.serve = func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "done")
		}
		srv := p.serve(t, g)
		keys := keep(t, newStore("v1"))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		done := make(chan answer, 1)
		go func() {
			a, err := try(rt, get(t, srv.URL))
			if err != nil {
				t.Error(err)
			}
			done <- a
		}()
		<-arrived
		keys.Close()
		close(release)
		if a := <-done; a.body != "done" {
			t.Errorf("body %q", a.body)
		}
		if _, err := try(rt, get(t, srv.URL)); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

// F106: a refused request that waits for the source ends when the ring closes, and its
// caller gets the server's answer.
func TestCloseEndsTheWaitForTheSource(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		s.mu.Lock()
		s.hang = make(chan struct{}) // for ever
		s.mu.Unlock()
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		before := s.count()
		done := make(chan answer, 1)
		go func() {
			a, err := try(rt, get(t, srv.URL))
			if err != nil {
				t.Error(err)
			}
			done <- a
		}()
		eventually(t, "the source to be read", func() bool { return s.count() > before })
		keys.Close()
		a := <-done
		a.want(t, http.StatusUnauthorized, "v1", 1)
		if a.body != "refused" {
			t.Errorf("body %q", a.body)
		}
	})
}
