package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A stream or download that was opened with the old key may end when the key is revoked:
// it counts as in flight until it is closed or read to its end.
//
// F171
func TestOpenAnswerIsInFlight(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		more := make(chan struct{})
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/stream":
				_, _ = io.WriteString(w, "first ")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-more:
				case <-r.Context().Done():
				}
			case "/none":
				return
			}
			_, _ = io.WriteString(w, "last")
		}))
		for name, end := range map[string]func(*http.Response) error{
			"closed": func(resp *http.Response) error { return resp.Body.Close() },
			"read to its end": func(resp *http.Response) error {
				close(more)
				text, err := io.ReadAll(resp.Body)
				if string(text) != "first last" {
					t.Errorf("body %q", text)
				}
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				s := newStore("v1")
				keys := keep(t, s, ring.WithOverlap(0))
				rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
				send(t, rt, get(t, srv.URL+"/none"))
				resp, err := rt.RoundTrip(get(t, srv.URL+"/stream"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				move(t, keys, s, "v2")
				old := func() ring.VersionStatus { return keys.Status().Versions[1] }
				if v := old(); v.Version != "v1" || v.SafeToRevoke || v.InFlight != 1 || v.Accepted != 2 || !strings.Contains(v.Reason, "answers are still open") {
					t.Errorf("open: %+v", v)
				}
				if err := end(resp); err != nil {
					t.Error(err)
				}
				if v := old(); !v.SafeToRevoke || v.InFlight != 0 {
					t.Errorf("ended: %+v", v)
				}
			})
		}
	})
}

// So does the connection after an upgrade, and a caller's own key. An answer without a body
// has ended.
//
// F171
func TestOpenConnectionIsInFlight(t *testing.T) {
	srv := protocol(1).serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
		_, _ = io.Copy(io.Discard, rw) // until the client has closed its side
	}))
	for name, own := range map[string]string{"ring's": "", "caller's": "Bearer " + sentinel + "v1", "unknown": "Bearer " + dummy} {
		t.Run(name, func(t *testing.T) {
			keys := keep(t, newStore("v2", "v1"))
			rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithPassThrough())
			inFlight := func() (n uint64) {
				st := keys.Status()
				for _, v := range st.Versions {
					n += v.InFlight
				}
				return n + st.Callers.InFlight
			}
			req := get(t, srv.URL)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "echo")
			if own != "" {
				req.Header.Set("Authorization", own)
			}
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			conn, ok := resp.Body.(interface {
				io.ReadWriteCloser
				CloseWrite() error
			})
			if !ok {
				t.Fatalf("a body of type %T", resp.Body)
			}
			defer conn.Close()
			if _, err := fmt.Fprintln(conn, "hello"); err != nil {
				t.Error(err)
			}
			if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
				t.Errorf("%q, %v", line, err)
			}
			if err := conn.CloseWrite(); err != nil { // the server closes its side too
				t.Fatal(err)
			}
			_, _ = io.ReadAll(conn)
			if n := inFlight(); n != 1 {
				t.Errorf("%d in flight while the connection is open", n)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if n := inFlight(); n != 0 {
				t.Errorf("%d in flight at the end", n)
			}
		})
	}
}

// A caller's own key was in use until the answer has ended, and may be for a minute more.
//
// F171
func TestOpenAnswerToACallersKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := quiet(t, newStore("v2", "v1"))
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			resp := status(http.StatusOK)
			resp.Body = io.NopCloser(strings.NewReader("text"))
			return resp, nil
		})
		rt := unbound(keys, transport.Bearer(), transport.WithBase(base), transport.WithPassThrough())
		send(t, rt, get(t, "https://a.example/"))
		req := get(t, "https://a.example/")
		req.Header.Set("Authorization", "Bearer "+sentinel+"v1")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			wait time.Duration
			do   func() error
			safe bool
		}{
			{time.Hour, resp.Body.Close, false},
			{59 * time.Second, resp.Body.Close, false},
			{time.Second, resp.Body.Close, true},
		} {
			time.Sleep(step.wait)
			if v := keys.Status().Versions[1]; v.SafeToRevoke != step.safe {
				t.Errorf("%+v", v)
			}
			_ = step.do()
		}
	})
}

// An answer that nobody closes counts until it is garbage: a client that forgets to close
// some must not keep its keys from being revoked for ever.
//
// F171
func TestForgottenAnswerEnds(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") }))
		keys := keep(t, newStore("v1"))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		func() {
			resp, err := rt.RoundTrip(get(t, srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			if n := keys.Status().Current.InFlight; n != 1 {
				t.Errorf("%d in flight", n)
			}
			runtime.KeepAlive(resp)
		}()
		eventually(t, "the end of the answer", func() bool {
			runtime.GC()
			return keys.Status().Current.InFlight == 0
		})
	})
}
