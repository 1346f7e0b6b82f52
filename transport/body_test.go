package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// GetBody fails after the refusal: the caller gets the refusal, unread, and
// nothing is sent again.
//
// F31
func TestGetBodyFailsAfterRefusal(t *testing.T) {
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"error": func() (io.ReadCloser, error) { return nil, errBase },
		"nil":   func() (io.ReadCloser, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
				body := &countingBody{Reader: strings.NewReader("order")}
				req := request(t, http.MethodPost, srv.URL, body)
				req.ContentLength, req.GetBody = 5, getBody
				a := send(t, rt, req)
				a.want(t, http.StatusUnauthorized, "v2", 1)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
				g.wantVersions(t, "v2")
			})
		})
	}
}

// A body without GetBody is sent once; its refusal goes back whole, and the
// next request begins with the right key all the same.
//
// F34
func TestPipeBodyIsSentOnce(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.refuse = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, "refused, whole", http.StatusUnauthorized)
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		move(t, ring, s, "v2", "v1")
		r, w := io.Pipe()
		var writer sync.WaitGroup
		writer.Go(func() {
			_, err := io.WriteString(w, "order")
			w.CloseWithError(err)
		})
		a := send(t, rt, request(t, http.MethodPost, srv.URL, r))
		writer.Wait()
		a.want(t, http.StatusUnauthorized, "v2", 1)
		if a.body != "refused, whole\n" {
			t.Errorf("body %q", a.body)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v2", "v1")
	})
}

// slowBody is read in small pieces, and remembers in plain fields how far: two
// attempts that share it race.
type slowBody struct {
	data []byte
	next int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.next == len(b.data) {
		return 0, io.EOF
	}
	runtime.Gosched()
	n := copy(p[:min(len(p), 512)], b.data[b.next:])
	b.next += n
	return n, nil
}

func (b *slowBody) Close() error { return nil }

// The refusal comes while the first attempt's body is still being read: the
// second has a reader of its own, and its body arrives byte for byte.
//
// F35
func TestEarlyRefusalOfALargeBody(t *testing.T) {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(w, sum(got), err)
		}
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		req := request(t, http.MethodPost, srv.URL, &slowBody{data: data})
		req.ContentLength = int64(len(data))
		req.GetBody = func() (io.ReadCloser, error) { return &slowBody{data: data}, nil }
		a := send(t, rt, req)
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != sum(data)+"<nil>" {
			t.Error("the body that arrived is another")
		}
	})
}

// All but the key is the same in both attempts, whatever the body's kind.
//
// F36
func TestAttemptsDifferInTheKeyOnly(t *testing.T) {
	for name, c := range map[string]struct {
		body   func() io.ReadCloser
		length int64
	}{
		"none":           {nil, 0},
		"NoBody":         {func() io.ReadCloser { return http.NoBody }, 0},
		"known length":   {func() io.ReadCloser { return io.NopCloser(strings.NewReader("order")) }, 5},
		"unknown length": {func() io.ReadCloser { return io.NopCloser(strings.NewReader("order")) }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
				req := request(t, http.MethodPost, srv.URL+"/a%2Fb?c=d&c=e", nil)
				if c.body != nil {
					req.Body, req.ContentLength = c.body(), c.length
					req.GetBody = func() (io.ReadCloser, error) { return c.body(), nil }
				}
				req.Header["X-Two"] = []string{"1", "2"}
				req.Header.Set("User-Agent", "")
				a := send(t, rt, req)
				a.want(t, http.StatusOK, "v1", 2)
				log := g.records()
				if len(log) != 2 {
					t.Fatalf("%d attempts", len(log))
				}
				first, second := log[0], log[1]
				first.header.Del("Authorization")
				second.header.Del("Authorization")
				first.version, first.accepted = second.version, second.accepted
				if fmt.Sprint(first) != fmt.Sprint(second) {
					t.Errorf("the attempts differ:\n%+v\n%+v", first, second)
				}
				if c.body != nil && first.length != c.length {
					t.Errorf("length %d, want %d", first.length, c.length)
				}
			})
		})
	}
}

// Trailers that the caller sets when the body ends arrive.
//
// F37
func TestTrailersSetAtTheEnd(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
		}
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		req := request(t, http.MethodPost, srv.URL, nil)
		req.Trailer = http.Header{"X-Sum": nil}
		req.ContentLength = -1
		bodies := 0
		req.GetBody = func() (io.ReadCloser, error) {
			bodies++
			value := fmt.Sprint("of body ", bodies)
			return io.NopCloser(io.MultiReader(strings.NewReader("order"), atEnd(func() { req.Trailer.Set("X-Sum", value) }))), nil
		}
		req.Body, _ = req.GetBody()
		// The refusal reads the body, so that the first attempt is done with the
		// trailers when the second begins.
		g.refuse = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
		}
		a := send(t, rt, req)
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "of body 2" {
			t.Errorf("trailer %q", a.body)
		}
	})
}

// atEnd is an empty reader that calls a function first.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

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
		rt := transport.New(keep(t, newStore("v1"), source.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(base))
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

// The response's body is read long after RoundTrip returned, by a caller whose
// key has changed meanwhile.
//
// F40
func TestBodyOutlivesRoundTrip(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		resp, err := rt.RoundTrip(get(t, srv.URL)) // falls back
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		move(t, ring, s, "v3")
		var got bytes.Buffer
		if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{resp.Body}, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if sum(got.Bytes()) != sum(data) {
			t.Errorf("%d bytes, and others than were sent", got.Len())
		}
	})
}

// A large body passes through without being kept.
//
// F33
func TestStreamsAreNotBuffered(t *testing.T) {
	const most = 24 << 20
	protocols(t, func(t *testing.T, p protocol) {
		size := 256 << 20
		if p == 2 {
			size = 48 << 20 // -race makes it slow
		}
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n, err)
		}
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		var start, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&start)
		var peak uint64
		body := &zeros{left: size, every: 8 << 20, then: func() {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(now.HeapAlloc, start.HeapAlloc))
		}}
		a := send(t, rt, request(t, http.MethodPost, srv.URL, body))
		if want := fmt.Sprint(size, nil); a.body != want {
			t.Errorf("the server read %s, want %s", a.body, want)
		}
		if peak == 0 || peak > most {
			t.Errorf("the heap grew by %d MiB", peak>>20)
		}
	})
}

// zeros is a stream that calls then now and then.
type zeros struct {
	left, every int
	then        func()
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left, z.left-(z.left-1)/z.every*z.every)
	clear(p[:n])
	if z.left -= n; z.left%z.every == 0 {
		z.then()
	}
	return n, nil
}

// Refusals are drained, so that one connection serves all; and no longer than
// is worth while: endless and dripping ones do not keep the second attempt.
//
// F32
func TestRefusalsAreDrainedWithinBounds(t *testing.T) {
	for name, c := range map[string]struct {
		refuse http.HandlerFunc
		spares bool // the connection, over HTTP/1.1
	}{
		"small": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, strings.Repeat("refused ", 1000))
		}, true},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, false},
		"dripping": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "r")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the next byte never comes
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				var attempts atomic.Int64
				g.serve = func(w http.ResponseWriter, r *http.Request) {
					if attempts.Add(1)%2 == 1 {
						c.refuse(w, r)
					}
				}
				srv := p.serve(t, g)
				// Answers about the clock are no mark against the key: every request is
				// sent twice.
				rt := transport.New(keep(t, newStore("v1")), resyncing{transport.Bearer()}, transport.WithBase(srv.base(t)),
					transport.WithClassifier(clockOn401))
				const rounds = 10
				for range rounds {
					send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
				}
				most := int64(1)
				if p == 1 && !c.spares {
					most += rounds
				}
				if n := srv.conns.Load(); n > most {
					t.Errorf("%d connections for %d attempts, want %d", n, len(g.records()), most)
				}
			})
		})
	}
}

// resyncing is a scheme that always learns the time.
type resyncing struct{ transport.Scheme }

func (resyncing) Resync(*transport.Answer) bool { return true }

func clockOn401(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusUnauthorized {
		return transport.Clock
	}
	return transport.Passed
}

// Of an endless refusal no more than 64 KiB is read, however fast it comes.
//
// F32
func TestEndlessRefusalIsReadToALimit(t *testing.T) {
	body := &zeros{left: 1 << 40, every: 1 << 40, then: func() {}}
	refusal := &countingBody{Reader: body}
	n := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: refusal, ContentLength: -1}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
	send(t, rt, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 2)
	if read := 1<<40 - body.left; read > 64<<10 || refusal.closed.Load() != 1 {
		t.Errorf("%d bytes were read, and the refusal closed %d times", read, refusal.closed.Load())
	}
}

// A fresh body that no attempt wants after all is closed.
//
// F30
func TestUnwantedFreshBodyIsClosed(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate())
		rt := transport.New(keep(t, newStore("v1"), source.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(srv.base(t)))
		first, fresh := &countingBody{Reader: strings.NewReader("order")}, &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, srv.URL, first)
		req.ContentLength = 5
		req.GetBody = func() (io.ReadCloser, error) { return fresh, nil }
		send(t, rt, req).want(t, http.StatusUnauthorized, "v1", 1)
		eventually(t, "both bodies to be closed", func() bool { return first.closed.Load() > 0 && fresh.closed.Load() > 0 })
	})
}

// GOAWAY during a POST: net/http sends it again on another connection, for
// which it needs GetBody on the copy that it was given.
//
// F46
func TestGoAwayDuringPost(t *testing.T) {
	g := newGate("v1")
	srv := protocol(2).serve(t, g)
	goodbye := leavingServer(t, srv.TLS)
	base := srv.base(t)
	var dials atomic.Int64
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := srv.Listener.Addr().String()
		if dials.Add(1) == 1 {
			address = goodbye
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	rt := transport.New(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(base))
	a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
	a.want(t, http.StatusOK, "v1", 1) // the transport sent it once; what net/http does below is its own
	if a.body != "order" || dials.Load() != 2 {
		t.Errorf("body %q after %d connections", a.body, dials.Load())
	}
}

// leavingServer takes one HTTP/2 connection, waits for a request, and says that
// it leaves without having looked at it (RFC 9113 section 6.8).
func leavingServer(t *testing.T, config *tls.Config) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	const data, settings, goAway, ack = 0, 4, 7, 1
	frame := func(w io.Writer, kind, flags byte, payload ...byte) error {
		_, err := w.Write(slices.Concat([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 0}, payload))
		return err
	}
	leave := func(conn net.Conn) error {
		defer conn.Close()
		if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return err
		}
		if err := frame(conn, settings, 0); err != nil {
			return err
		}
		for {
			var head [9]byte
			if _, err := io.ReadFull(conn, head[:]); err != nil {
				return err
			}
			length := binary.BigEndian.Uint32(head[:4]) >> 8
			if _, err := io.CopyN(io.Discard, conn, int64(length)); err != nil {
				return err
			}
			switch {
			case head[3] == settings && head[4]&ack == 0:
				if err := frame(conn, settings, ack); err != nil {
					return err
				}
			case head[3] == data && length > 0: // the body is on its way, and read
				return frame(conn, goAway, 0, 0, 0, 0, 0, 0, 0, 0, 0) // last stream 0, no error
			}
		}
	}
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if err := leave(conn); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	return ln.Addr().String()
}

// Body gives a signer the bytes, and SetBody replaces them; req.Body is left alone.
//
// F33
func TestBodyForSigners(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.Reader
		length int64 // of the request, -2: as it is
		want   string
		err    error
	}{
		"none":           {nil, -2, "", nil},
		"known":          {strings.NewReader("order"), -2, "order", nil},
		"unknown length": {strings.NewReader("order"), -1, "order", nil},
		"too short":      {strings.NewReader("order"), 6, "", transport.ErrBody},
		"said too long":  {strings.NewReader("order"), transport.MaxSignedBody + 1, "", transport.ErrBody},
		"too long":       {bytes.NewReader(make([]byte, transport.MaxSignedBody+1)), -1, "", transport.ErrBody},
		"stream":         {struct{ io.Reader }{strings.NewReader("order")}, -2, "", transport.ErrBody},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, http.MethodPost, "https://api.example.com", c.body)
			if c.length != -2 {
				req.ContentLength = c.length
			}
			data, err := transport.Body(req)
			if string(data) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, error %v; want %q, %v", data, err, c.want, c.err)
			}
		})
	}
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error {
				data, err := transport.Body(req)
				transport.SetBody(req, append(data, "&signed with "+k.Version...))
				req.Header.Set("Authorization", "Bearer "+k.Secret.Expose())
				return err
			}), nil
		})
		rt := transport.New(keep(t, newStore("v2", "v1")), signs, transport.WithBase(srv.base(t)))
		a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order=1")))
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "order=1&signed with v1" {
			t.Errorf("body %q", a.body)
		}
	})
}
