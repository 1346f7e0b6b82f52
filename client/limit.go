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
	slowLimit    = 10 * time.Minute // with a provider.Profile that is Slow
)

// limit is the default time limit of requests whose context has no deadline. It bounds
// the wait for the response header, over all attempts, from the last read of the
// request body, and then the wait for each piece of the response body. So a stream
// goes on as long as data arrives (F117).
type limit struct {
	below
	wait time.Duration
}

func (l *limit) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Context().Deadline(); ok {
		return l.below.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx: ctx, cancel: cancel, wait: l.wait}
	w.timer = w.after("response header")
	resp, err := l.below.RoundTrip(w.over(req))
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
		resp.Body = &upgraded{up, func() { cancel(nil) }} // silence is normal on an upgraded connection
		return resp, nil
	}
	resp.Body = &limitedBody{resp.Body, w}
	return resp, nil
}

// total is the time limit of [WithTimeout] for requests that another http.Client sends:
// the client's own has set the deadline already.
type total struct {
	below
	wait time.Duration
}

func (l *total) RoundTrip(req *http.Request) (*http.Response, error) {
	if at, ok := req.Context().Deadline(); ok && time.Until(at) <= l.wait {
		return l.below.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), l.wait)
	resp, err := l.below.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Request = req
	switch up, ok := resp.Body.(io.ReadWriteCloser); {
	case resp.Body == nil || resp.Body == http.NoBody:
		cancel()
	case ok && resp.StatusCode == http.StatusSwitchingProtocols:
		resp.Body = &upgraded{up, cancel}
	default:
		resp.Body = &totalBody{resp.Body, cancel}
	}
	return resp, nil
}

// totalBody is a response body whose end ends the time limit.
type totalBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *totalBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.cancel()
	}
	return n, err
}

func (b *totalBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// over returns req with the watch's context. Each read of a large request body starts
// the time limit again.
func (w *watch) over(req *http.Request) *http.Request {
	out := req.WithContext(w.ctx)
	const soon = 1 << 20 // a body of up to 1 MiB is sent well within the limit
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

// sending is a request body whose reads restart the timer.
type sending struct {
	io.ReadCloser
	*watch
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if n > 0 && s.timer.Stop() { // Stop is false if the time is over
		s.timer.Reset(s.wait)
	}
	return n, err
}

// watch cancels a request that waits for longer than wait.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   time.Duration
	timer  *time.Timer // for the response header
}

// after starts a timer that cancels the request; the error says what did not come.
func (w *watch) after(what string) *time.Timer {
	return time.AfterFunc(w.wait, func() { w.cancel(&limitError{what, w.wait}) })
}

// explain returns the limitError if the watch canceled the request, else err.
func (w *watch) explain(err error) error {
	var over *limitError
	if errors.As(context.Cause(w.ctx), &over) {
		return over
	}
	return err
}

// limitError is the error of a request that the watch canceled. Like the timeout errors
// of http.Client, it is a net.Error and wraps context.DeadlineExceeded.
type limitError struct {
	what string
	wait time.Duration
}

func (e *limitError) Error() string {
	return fmt.Sprintf("client: no %s within %v: to wait longer, set a deadline on the request's context or use WithTimeout", e.what, e.wait)
}

func (*limitError) Timeout() bool { return true }

// Temporary makes it a net.Error.
func (*limitError) Temporary() bool { return true }

func (*limitError) Is(target error) bool { return target == context.DeadlineExceeded }

// limitedBody is a response body with a time limit for each Read.
type limitedBody struct {
	body io.ReadCloser
	*watch
}

func (b *limitedBody) Read(p []byte) (int, error) {
	timer := b.after("further data of the response body")
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
	cancel context.CancelFunc
}

func (u *upgraded) Close() error {
	defer u.cancel()
	return u.ReadWriteCloser.Close()
}
