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

	drainBytes = 64 << 10 // what is read of a failure that nobody wants, to keep its connection
	drainTime  = 100 * time.Millisecond
)

// retry sends requests that may be repeated through go-retryablehttp, the
// others straight on.
type retry struct {
	next   http.RoundTripper
	client *http.Client // next, and nothing more
	n      int
	effect func(*http.Request) bool // there is one, whatever the method; nil: as the method says
}

func newRetry(next http.RoundTripper, n int, scheme transport.Scheme) *retry {
	return &retry{next: next, n: n, effect: scheme.Traits().NotIdempotent, client: &http.Client{
		// go-retryablehttp closes idle connections when it gives up; they are not its own.
		Transport:     struct{ http.RoundTripper }{next},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// retrying returns the client for one request: it counts the tries, so that the
// last failure goes back as it came.
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
				discard(resp) // go-retryablehttp would drain it without a limit in time
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

// passing reports whether the failure may be over at the next try. A refusal of
// the key is none: the key transport has done all that can be done about it. Nor
// is one that the server wants left alone for longer than we wait: who comes
// earlier all the same is banned for it.
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
		return retryAfter(resp.Header) <= maxRetryWait, nil
	}
	return false, nil
}

// retryAfter is how long the server asks to be left alone (RFC 9110 section
// 10.2.3); zero if it does not say.
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

// discard reads a little of the body, so that the connection can be used again,
// closes it, and leaves none; a long or slow body costs its connection instead (F32).
func discard(resp *http.Response) {
	body := resp.Body
	resp.Body = http.NoBody
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = recover() }() // of a broken body, which nobody wants (F97)
		_, _ = io.CopyN(io.Discard, body, drainBytes)
	}()
	select {
	case <-ended:
	case <-time.After(drainTime):
	}
	_ = body.Close() // which need not end a Read
}

// ours reports whether err is this library's own word, which repeating will not change.
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

// RoundTrip sends req, several times if need be.
func (r *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.repeatable(req) {
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
	resp, err := r.retrying().Do(again)
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
func (r *retry) CloseIdleConnections() { closeIdle(r.next) }

// repeatable reports whether doing the request twice is doing it once (RFC 9110
// section 9.2.2), and its body can be had twice. A scheme that panics when it is
// asked leaves the rest to the transport (F97).
func (r *retry) repeatable(req *http.Request) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil || r.effect != nil && r.effect(req) {
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}
