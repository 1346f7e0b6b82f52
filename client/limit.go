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
// attempts, from when its body was last read, and then for each next piece of the body. A stream goes on for as long as
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
	w := &watch{ctx: ctx, cancel: cancel, wait: l.wait}
	w.timer = w.after("answer")
	resp, err := l.next.RoundTrip(w.over(req))
	w.timer.Stop()
	if err != nil {
		err = w.explain(err)
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	if resp.Body == nil || resp.Body == http.NoBody {
		cancel(nil)
		return resp, nil
	}
	if up, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &upgraded{up, cancel} // nobody knows what to wait for
		return resp, nil
	}
	resp.Body = &limitedBody{resp.Body, w}
	return resp, nil
}

// over returns req under the watch. While a large body is being sent there is progress:
// the limit begins anew with each piece.
func (w *watch) over(req *http.Request) *http.Request {
	out := req.WithContext(w.ctx)
	const soon = 1 << 20 // so little is sent soon, or not at all
	if req.Body == nil || req.Body == http.NoBody || 0 < req.ContentLength && req.ContentLength <= soon {
		return out
	}
	out.Body = &sending{req.Body, w}
	if get := req.GetBody; get != nil {
		out.GetBody = func() (io.ReadCloser, error) {
			body, err := get()
			if err != nil || body == nil || body == http.NoBody {
				return body, err
			}
			return &sending{body, w}, nil
		}
	}
	return out
}

// sending is a body on its way out.
type sending struct {
	io.ReadCloser
	*watch
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if n > 0 && s.timer.Stop() { // or the time is over
		s.timer.Reset(s.wait)
	}
	return n, err
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
	timer  *time.Timer // of the answer
}

// after ends the request when the time is over, unless the timer is stopped. The error
// says what did not come.
func (w *watch) after(what string) *time.Timer {
	return time.AfterFunc(w.wait, func() { w.cancel(&limitError{what, w.wait}) })
}

// explain returns the limit's own error where the limit ended the request, else err.
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
	switch {
	case err == io.EOF:
		b.cancel(nil)
	case err != nil:
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
