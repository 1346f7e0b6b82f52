package transport_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A body that waits for "100 Continue" is left alone by a server that refuses,
// and goes to the second attempt, even if it can be had only once.
//
// F38
func TestExpectContinue(t *testing.T) {
	for name, replayable := range map[string]bool{"with GetBody": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				base := srv.base(t)
				base.ExpectContinueTimeout = time.Hour
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
				body := &countingBody{Reader: strings.NewReader("order")}
				req := request(t, http.MethodPost, srv.URL, body)
				req.ContentLength = 5
				req.Header.Set("Expect", "100-continue")
				if replayable {
					req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("order")), nil }
				}
				a := send(t, rt, req)
				a.want(t, http.StatusOK, "v1", 2)
				if a.body != "order" {
					t.Errorf("body %q", a.body)
				}
				for _, r := range g.records() {
					if p == 1 && r.header.Get("Expect") != "100-continue" { // HTTP/2's server takes it off
						t.Errorf("the attempt with %s does not expect", r.version)
					}
				}
				eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
			})
		})
	}
}

// A body that waits for "100 Continue" is closed when no attempt wants it.
//
// F38, F30
func TestExpectContinueRefusedForGood(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate())
		base := srv.base(t)
		base.ExpectContinueTimeout = time.Hour
		rt := transport.New(keep(t, newStore("v1"), ring.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(base))
		for _, replay := range []bool{true, false} {
			body := &countingBody{Reader: strings.NewReader("order")}
			req := request(t, http.MethodPost, srv.URL, body)
			req.Header.Set("Expect", "100-continue")
			rt := rt
			if !replay {
				rt = transport.New(rt.Ring(), transport.Bearer(), transport.WithBase(base),
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
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, srv.URL, body)
		req.Header.Set("Expect", "100-continue")
		send(t, rt, req).want(t, http.StatusUnauthorized, "v2", 1)
		eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
	})
}

// An upgraded connection is the two ends' own: its body can be written to,
// whatever the classifier wants to see of bodies.
//
// F39
func TestUpgrade(t *testing.T) {
	srv := protocol(1).serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(rw, "echo "+line)
		_ = rw.Flush()
	}))
	rt := transport.New(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(srv.base(t)),
		transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
			_ = a.Body()
			return transport.RFC6750(a)
		}))
	req := get(t, srv.URL)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("status %d, body %T", resp.StatusCode, resp.Body)
	}
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "echo hello\n" {
		t.Errorf("read %q, error %v", line, err)
	}
}
