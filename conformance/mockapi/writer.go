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

// responseWriter is what handlers answer with. It notes the answer's status in the
// log before the answer is sent. Beside Write it has what net/http's own writers
// have: Flush here, and Hijack or Push with the protocol, so that a handler finds
// by a type assertion what its connection can do (F121).
type responseWriter struct {
	http.ResponseWriter
	api     *API
	attempt *Attempt
	ctx     context.Context
	drip    time.Duration // the pause before each byte; 0: none
	known   bool          // the status is in the log; under the log's lock

	hijacked atomic.Bool
}

// writer returns the ResponseWriter for the request's protocol: a connection can be
// hijacked in HTTP/1.1 only, and pushed to in HTTP/2 only.
func (w *responseWriter) writer(r *http.Request) http.ResponseWriter {
	if r.ProtoMajor == 1 {
		return hijackWriter{w}
	}
	return pushWriter{w}
}

func (w *responseWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // other 1xx are no answer
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// note logs the status of the answer that net/http sends next.
func (w *responseWriter) note(status int) {
	if !w.hijacked.Load() {
		w.log(status)
	}
}

// log writes the answer's status into the log, the first time that there is one.
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

// Flush is for handlers that ask for an http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController. The first flush sends the header.
func (w *responseWriter) FlushError() error {
	w.note(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController: deadlines and full duplex.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hijackWriter is the writer of HTTP/1.1.
type hijackWriter struct{ *responseWriter }

// Hijack hands the connection to the handler. Close of the mock closes it, as it
// closes all others, and waits for the handler. The log's status is the one of the
// first status line that the handler writes.
func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked.Store(true)
	c := &hijackedConn{Conn: conn, w: w.responseWriter}
	c.unwatch = context.AfterFunc(w.api.ctx, func() { _ = conn.Close() })
	rw.Writer.Reset(c) // it holds nothing yet, and wrote to conn
	return c, rw, nil
}

// pushWriter is the writer of HTTP/2.
type pushWriter struct{ *responseWriter }

// Push starts a server push. What is pushed is a request like any other, without a
// key unless opts has one.
func (w pushWriter) Push(target string, opts *http.PushOptions) error {
	if p, ok := w.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// hijackedConn is a connection that a handler has taken. It reads the status out of
// the answer's first line, before that is sent.
type hijackedConn struct {
	net.Conn
	w       *responseWriter
	unwatch func() bool

	mu   sync.Mutex
	line []byte // the answer's first bytes, until the status is known
	done bool
}

// statusLine is how much of an answer tells its status: "HTTP/1.1 101".
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

// note logs the status, if what was written begins as an HTTP/1 answer does.
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
