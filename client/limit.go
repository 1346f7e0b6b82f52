package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	defaultLimit = time.Minute
	slowLimit    = 10 * time.Minute // of a provider.Profile that is Slow
)

// limit bounds how long a request waits: for the header of its answer, with all
// attempts, and then for each next piece of the body. A stream goes on for as long as
// something comes (F117). A request whose context has a deadline waits for as long as
// that: its caller has decided.
type limit struct {
	next http.RoundTripper
	wait time.Duration
}

func (l *limit) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Context().Deadline(); ok {
		return l.next.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx, cancel, l.wait}
	timer := w.after("answer")
	resp, err := l.next.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		err = w.explain(err)
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	if up, ok := resp.Body.(io.ReadWriteCloser); ok { // after 101 Switching Protocols nobody knows what to wait for
		resp.Body = &upgraded{up, cancel}
		return resp, nil
	}
	resp.Body = &limitedBody{resp.Body, w}
	return resp, nil
}

// CloseIdleConnections closes the idle connections of what is below.
func (l *limit) CloseIdleConnections() { closeIdle(l.next) }

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// watch ends a request that has waited for too long.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   time.Duration
}

// after ends the request if that what is waited for does not come.
func (w *watch) after(what string) *time.Timer {
	return time.AfterFunc(w.wait, func() { w.cancel(&limitError{what, w.wait}) })
}

// explain says in place of err that the limit was the cause, if it was.
func (w *watch) explain(err error) error {
	var over *limitError
	if errors.As(context.Cause(w.ctx), &over) {
		return over
	}
	return err
}

// limitError: no answer, or no more of one, came in time. It is an error of a time-out
// to whoever asks, as those of http.Client's are.
type limitError struct {
	what string
	wait time.Duration
}

func (e *limitError) Error() string {
	return fmt.Sprintf("client: no %s within %v: a deadline on the request's context, or WithTimeout, allows for more", e.what, e.wait)
}

func (*limitError) Timeout() bool { return true }

// Temporary makes it a net.Error.
func (*limitError) Temporary() bool { return true }

func (*limitError) Is(target error) bool { return target == context.DeadlineExceeded }

// limitedBody is a body that is waited for piece by piece.
type limitedBody struct {
	body io.ReadCloser
	*watch
}

func (b *limitedBody) Read(p []byte) (int, error) {
	timer := b.after("more of the answer")
	n, err := b.body.Read(p)
	timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.explain(err)
	}
	return n, err
}

func (b *limitedBody) Close() error {
	defer b.cancel(nil)
	return b.body.Close()
}

// upgraded is the connection after 101 Switching Protocols.
type upgraded struct {
	io.ReadWriteCloser
	cancel context.CancelCauseFunc
}

func (u *upgraded) Close() error {
	defer u.cancel(nil)
	return u.ReadWriteCloser.Close()
}
