package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

const (
	minRetryWait = 200 * time.Millisecond
	maxRetryWait = 5 * time.Second
)

// retry sends idempotent requests through go-retryablehttp, and other requests
// directly.
type retry struct {
	below
	client *http.Client // sends through below and follows no redirects
	n      int
	effect func(*http.Request) bool // NotIdempotent of the scheme's Traits; may be nil
}

func newRetry(next below, n int, scheme transport.Scheme) *retry {
	return &retry{below: next, n: n, effect: scheme.Traits().NotIdempotent, client: &http.Client{
		// Hide CloseIdleConnections: go-retryablehttp calls it when it gives up, and the
		// connections are not its own.
		Transport:     struct{ http.RoundTripper }{next},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// retrying returns a client for one request. It counts the tries, so that the last
// response is not drained but returned to the caller.
func (r *retry) retrying() *retryablehttp.Client {
	left := r.n
	return &retryablehttp.Client{
		HTTPClient: r.client,
		Logger:     nil, // it would log URLs (F95)
		RetryMax:   r.n,
		CheckRetry: func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			again, err := passing(ctx, resp, err)
			if left--; left < 0 {
				return false, err
			}
			if again && resp != nil {
				transport.Drain(resp) // go-retryablehttp would drain it without a time limit
			}
			return again, err
		},
		Backoff: func(_, _ time.Duration, n int, resp *http.Response) time.Duration {
			wait := min(minRetryWait<<min(n, 8), maxRetryWait)
			if resp != nil {
				wait = max(wait, retryAfter(resp.Header))
			}
			return wait + rand.N(wait/2) // F77
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// passing reports whether to retry after this response or error. A refusal of the key
// is no reason: the transport has already made all useful attempts. Nor is a failure
// whose Retry-After is longer than maxRetryWait: servers ban clients that come back
// earlier.
func passing(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch over := ctx.Err(); {
	case over != nil && errors.Is(err, over):
		return false, err // it may say that every key was refused (F133)
	case over != nil:
		return false, over
	}
	if err != nil {
		again, _ := retryablehttp.DefaultRetryPolicy(ctx, nil, err)
		return again && !ours(err), nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return retryAfter(resp.Header) <= maxRetryWait, nil
	}
	return false, nil
}

// retryAfter returns the duration in the Retry-After header (RFC 9110 section 10.2.3),
// or zero if there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, 1<<32)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// ours reports whether err is an error of this library, which a retry would not change.
func ours(err error) bool {
	for _, target := range []error{
		source.ErrNoKey, source.ErrUnusable, ring.ErrStale, ring.ErrRefused, ring.ErrClosed,
		transport.ErrOrigin, transport.ErrInsecure, transport.ErrCredential, transport.ErrBody, transport.ErrNoRoute,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// RoundTrip sends req, and repeats it after temporary failures if it is repeatable.
func (r *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.repeatable(req) {
		return r.below.RoundTrip(req)
	}
	// retryablehttp changes its request and reads bodies into memory. So give it a copy,
	// and a function that returns fresh bodies.
	again := &retryablehttp.Request{Request: new(http.Request)}
	*again.Request = *req
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		if err := again.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) { return req.GetBody() })); err != nil {
			return nil, err
		}
		again.ContentLength = req.ContentLength
	}
	resp, err := r.retrying().Do(again)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // the caller's http.Client adds the method and URL again
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// repeatable reports whether req is idempotent (RFC 9110 section 9.2.2) and has no body
// or a GetBody. If the scheme panics, it returns false; the transport then reports the
// panic as an error (F97).
func (r *retry) repeatable(req *http.Request) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil || r.effect != nil && r.effect(req) {
		return false
	}
	return req.Method == http.MethodPut || req.Method == http.MethodDelete ||
		transport.Replayable(req, &http.Response{}, transport.Refused)
}
