package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	retries   = 1 // after the first attempt; the ring's own back-off does the rest
	retryWait = 200 * time.Millisecond

	maxHeader  = 64 << 10 // bytes of response header
	drainBytes = 4 << 10  // what is read of a body that nobody wants, to keep its connection
	drainTime  = 100 * time.Millisecond
)

// newTransport returns a transport of our own. F89: http.DefaultTransport may
// be the very transport that waits for this source's keys, so nothing here, the
// token endpoint's client included, may fall back on it.
func newTransport(cfg *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        cfg,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2, // a reading and a long poll
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		// F79: a key document is small. What is never unpacked is no bomb.
		DisableCompression: true,
		// A peer that vanished must not keep a long poll for its whole wait.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// newRetrying returns the client of Read: client, with one more attempt after a
// failure that may well have passed by then.
func newRetrying(client *http.Client) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   client,
		Logger:       nil,
		RetryMax:     retries,
		RetryWaitMin: retryWait,
		RetryWaitMax: retryWait,
		CheckRetry:   mayPass,
		Backoff: func(base, _ time.Duration, _ int, _ *http.Response) time.Duration {
			return base/2 + rand.N(base)
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// mayPass reports whether a second attempt makes sense at once. A server that
// names a time (F77), refuses, or fails in TLS (F85) is left to the ring.
func mayPass(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		return isNetwork(err), nil
	case resp.StatusCode < 500 || resp.StatusCode == http.StatusNotImplemented || resp.Header.Get("Retry-After") != "":
		return false, nil
	}
	discard(resp.Body) // retryablehttp would drain without a limit in time
	return true, nil
}

// isNetwork reports whether err is the network's: not TLS's, nor that of a
// server that speaks something else.
func isNetwork(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial" || op.Op == "read" || op.Op == "write" // not "remote error", a TLS alert
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// discard reads a little of body, so that the connection can be used again,
// and closes it; a long or slow body costs its connection instead (F32).
func discard(body io.ReadCloser) {
	stop := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, body, drainBytes)
	_ = body.Close()
}

// stayOnOrigin follows redirects within the first request's origin, five at
// the most. Any other is not followed: the answer that asked for it comes back
// instead, and no credential goes anywhere (F84).
func stayOnOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 5 || !sameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && sameHost(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// sameHost compares in ASCII: other runes have lower-case forms that are ASCII
// letters, and a host with one of them is another (F167).
func sameHost(a, b string) bool {
	ascii := func(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) }
	return ascii(a) && ascii(b) && strings.EqualFold(a, b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return sameHost(host, "localhost") || err == nil && addr.IsLoopback()
}
