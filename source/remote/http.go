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
	retries   = 1 // after the first try; then the ring backs off
	retryWait = 200 * time.Millisecond

	maxHeader  = 64 << 10 // bytes of response header
	drainBytes = 4 << 10  // how much of an unneeded body is read to keep its connection
	drainTime  = 100 * time.Millisecond
)

// newTransport returns a transport for this source alone. F89: http.DefaultTransport may be
// the SDK's transport, which waits for this source's keys. Neither the source nor its
// requests to the token endpoint may use it.
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
		// F79: a key document is small, and a compressed response may be a decompression bomb.
		DisableCompression: true,
		// Pings notice within a long poll that the server is gone.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// newRetrying returns the client of Read. It tries once more after a failure that is likely to
// be short.
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

// mayPass reports whether a second try makes sense at once. It returns false if the server
// said when to try again (F77), if it refused the request, and after a TLS error (F85). The
// ring then backs off.
func mayPass(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		return isNetwork(err), nil
	case resp.StatusCode < 500 || resp.StatusCode == http.StatusNotImplemented || resp.Header.Get("Retry-After") != "":
		return false, nil
	}
	discard(resp.Body) // retryablehttp would read the body without a time limit
	return true, nil
}

// isNetwork reports whether err is an error of the network. TLS errors, and those of a server
// that speaks another protocol, are not.
func isNetwork(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial" || op.Op == "read" || op.Op == "write" // not "remote error", which is a TLS alert
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// discard reads a short body to its end, so that its connection can be used again, and closes
// it. The connection of a long or slow body is closed instead (F32).
func discard(body io.ReadCloser) {
	stop := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, body, drainBytes)
	_ = body.Close()
}

// stayOnOrigin follows up to five redirects within the first request's origin. It does not
// follow any other: the client then returns the redirect response, and no other server gets
// the credential (F84).
func stayOnOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 5 || !sameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && sameHost(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// sameHost reports whether a and b are the same host. It refuses hosts with runes that are not
// ASCII: some have a lower-case form that is an ASCII letter, but name another host (F167).
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
