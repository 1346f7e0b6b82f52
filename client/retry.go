package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

const (
	minRetryWait = 200 * time.Millisecond
	maxRetryWait = 5 * time.Second
)

// retry sends requests that may be repeated through go-retryablehttp, the
// others straight on.
type retry struct {
	next   http.RoundTripper
	client *retryablehttp.Client
}

func newRetry(next http.RoundTripper, n int) *retry {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{
		Transport:     next,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.Logger = nil // it would log URLs (F95)
	c.RetryMax = n
	c.RetryWaitMin, c.RetryWaitMax = minRetryWait, maxRetryWait
	c.CheckRetry = passing
	c.Backoff = func(least, most time.Duration, n int, resp *http.Response) time.Duration {
		// A Retry-After may ask for an hour (F77).
		return min(retryablehttp.DefaultBackoff(least, most, n, resp), most)
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return &retry{next: next, client: c}
}

// passing reports whether the failure may be over at the next try. A refusal of
// the key is none: the key transport has done all that can be done about it.
func passing(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		again, _ := retryablehttp.DefaultRetryPolicy(ctx, nil, err)
		return again && !ours(err), nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	}
	return false, nil
}

// ours reports whether err is this library's own word, which repeating will not change.
func ours(err error) bool {
	for _, target := range []error{
		source.ErrNoKey, source.ErrUnusable, source.ErrStale, source.ErrRefused, source.ErrClosed,
		transport.ErrOrigin, transport.ErrInsecure, transport.ErrBody, transport.ErrNoRoute,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// RoundTrip sends req, several times if need be.
func (r *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	if !repeatable(req) {
		return r.next.RoundTrip(req)
	}
	// retryablehttp changes the request that it is given and reads bodies into
	// memory: it gets a copy, and a way to fresh bodies.
	again := &retryablehttp.Request{Request: new(http.Request)}
	*again.Request = *req
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		if err := again.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) { return req.GetBody() })); err != nil {
			return nil, err
		}
		again.ContentLength = req.ContentLength
	}
	resp, err := r.client.Do(again)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // http.Client, outside, says the method and the URL
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// CloseIdleConnections closes the idle connections of what is below.
func (r *retry) CloseIdleConnections() {
	if c, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// repeatable reports whether doing the request twice is doing it once (RFC 9110
// section 9.2.2), and its body can be had twice.
func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return req.Header.Get("Idempotency-Key") != ""
}
