package mockapi

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// responseWriter is the handlers' http.ResponseWriter. It logs the status before
// the response is sent. Like net/http's own, it has Flush and, depending on the
// protocol, Hijack or Push, so that type assertions in a handler work (F121).
type responseWriter struct {
	http.ResponseWriter
	api     *API
	attempt *Attempt
	ctx     context.Context
	drip    time.Duration // pause before each byte of the body
	known   bool          // the status is logged; guarded by the lock of the log

	hijacked atomic.Bool
}

// writer returns the ResponseWriter for the request's protocol: HTTP/1.1 allows
// Hijack, and HTTP/2 allows Push.
func (w *responseWriter) writer(r *http.Request) http.ResponseWriter {
	if r.ProtoMajor == 1 {
		return hijackWriter{w}
	}
	return pushWriter{w}
}

func (w *responseWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // other 1xx are not final
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// note logs the status, unless the connection is hijacked.
func (w *responseWriter) note(status int) {
	if !w.hijacked.Load() {
		w.log(status)
	}
}

// log logs the status, if none is logged yet.
func (w *responseWriter) log(status int) {
	w.api.log.update(func() {
		if !w.known {
			w.known, w.attempt.Status = true, status
		}
	})
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.note(http.StatusOK)
	if w.drip > 0 {
		return dripWriter{w.ResponseWriter, w.ctx, w.drip}.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is called by http.ResponseController. The first flush sends the
// header, so it logs the status.
func (w *responseWriter) FlushError() error {
	w.note(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController set deadlines and full duplex.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hijackWriter is the responseWriter for HTTP/1.1.
type hijackWriter struct{ *responseWriter }

// Hijack gives the connection to the handler. Close of the API closes the
// connection and waits for the handler. The logged status is that of the first
// status line that the handler writes.
func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked.Store(true)
	c := &hijackedConn{Conn: conn, w: w.responseWriter}
	c.unwatch = context.AfterFunc(w.api.ctx, func() { _ = conn.Close() })
	rw.Writer.Reset(c) // the empty buffer wrote to conn so far
	return c, rw, nil
}

// pushWriter is the responseWriter for HTTP/2.
type pushWriter struct{ *responseWriter }

// Push starts a server push. The server handles the pushed request like any other:
// it has no key unless opts has one.
func (w pushWriter) Push(target string, opts *http.PushOptions) error {
	if p, ok := w.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// hijackedConn is a hijacked connection. It logs the status in the first line that
// the handler writes, before that line is sent.
type hijackedConn struct {
	net.Conn
	w       *responseWriter
	unwatch func() bool

	mu   sync.Mutex
	line []byte // the first bytes that the handler writes, at most statusLine
	done bool   // line is complete
}

// statusLine is the length of the beginning of a response with its status, such as
// "HTTP/1.1 101".
const statusLine = 12

func (c *hijackedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if !c.done {
		c.line = append(c.line, p[:min(len(p), statusLine-len(c.line))]...)
		if c.done = len(c.line) == statusLine; c.done {
			c.note()
		}
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// note logs the status, if line is the beginning of an HTTP/1 response.
func (c *hijackedConn) note() {
	proto, code, _ := strings.Cut(string(c.line), " ")
	if status, err := strconv.Atoi(code); err == nil && strings.HasPrefix(proto, "HTTP/1.") {
		c.w.log(status)
	}
}

func (c *hijackedConn) Close() error {
	c.unwatch()
	return c.Conn.Close()
}
