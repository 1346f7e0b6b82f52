package transport_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A body that waits for "100 Continue" is closed if no attempt needs it.
//
// F38, F30
func TestExpectContinueRefusedForGood(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate())
		base := srv.base(t)
		base.ExpectContinueTimeout = time.Hour
		rt := unbound(keep(t, newStore("v1"), ring.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(base))
		for _, replay := range []bool{true, false} {
			body := &countingBody{Reader: strings.NewReader("order")}
			req := request(t, http.MethodPost, srv.URL, body)
			req.Header.Set("Expect", "100-continue")
			rt := rt
			if !replay {
				rt = unbound(rt.Ring(), transport.Bearer(), transport.WithBase(base),
					transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { return false }))
			}
			send(t, rt, req).want(t, http.StatusUnauthorized, "v1", 1)
			eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
		}
	})
}

// A body that waits for "100 Continue" and was read cannot be sent again.
//
// F38, F34
func TestExpectContinueRefusedAfterReading(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.refuse = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
		}
		srv := p.serve(t, g)
		base := srv.base(t)
		base.ExpectContinueTimeout = time.Hour
		rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, srv.URL, body)
		req.Header.Set("Expect", "100-continue")
		send(t, rt, req).want(t, http.StatusUnauthorized, "v2", 1)
		eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
	})
}
