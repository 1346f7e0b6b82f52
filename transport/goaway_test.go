package transport_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// After a GOAWAY during a POST net/http sends the request again on another connection.
// For that it needs GetBody on the copy that it was given.
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
	rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(base))
	a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
	a.want(t, http.StatusOK, "v1", 1) // the transport sent it once; net/http repeated it
	if a.body != "order" || dials.Load() != 2 {
		t.Errorf("body %q after %d connections", a.body, dials.Load())
	}
}

// leavingServer accepts one HTTP/2 connection, waits for a request, and announces that
// it closes the connection without having processed the request (RFC 9113 section 6.8).
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
			case head[3] == data && length > 0: // the body has arrived
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
