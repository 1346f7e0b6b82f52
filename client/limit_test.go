package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// slow sends the response header after the time header, and then one piece of the
// body every piece.
type slow struct {
	header, piece time.Duration
	pieces        int
	calls         int
}

func (s *slow) RoundTrip(req *http.Request) (*http.Response, error) {
	s.calls++
	select {
	case <-time.After(s.header):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &slowBody{req.Context(), s.piece, s.pieces}}, nil
}

type slowBody struct {
	ctx   context.Context
	piece time.Duration
	left  int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.piece):
		return copy(p, "."), nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *slowBody) Close() error { return nil }

// The client waits for a slow response up to the caller's own limit, or else up
// to the limit of the profile. A stream is not cut off while data arrives. After
// a time-out the request is not sent again: the first one may have been billed.
//
// F117
func TestLimits(t *testing.T) {
	anthropic := client.WithProvider(provider.Anthropic())
	kraken := client.WithProvider(provider.Kraken())
	for name, c := range map[string]struct {
		opts     []client.Option
		deadline time.Duration // of the request's context
		base     slow
		want     bool
		after    time.Duration // when the request ends
	}{
		"answer in time":              {nil, 0, slow{header: 35 * time.Second}, true, 35 * time.Second},
		"no answer":                   {nil, 0, slow{header: time.Hour}, false, time.Minute},
		"stream":                      {nil, 0, slow{piece: 10 * time.Second, pieces: 60}, true, 10 * time.Minute},
		"stream that stops":           {nil, 0, slow{header: 50 * time.Second, piece: time.Hour, pieces: 1}, false, 110 * time.Second},
		"caller's deadline, longer":   {nil, 5 * time.Minute, slow{header: 3 * time.Minute, piece: 90 * time.Second, pieces: 1}, true, 270 * time.Second},
		"caller's deadline, over":     {nil, 5 * time.Minute, slow{header: time.Hour}, false, 5 * time.Minute},
		"caller's deadline, shorter":  {nil, time.Second, slow{header: time.Hour}, false, time.Second},
		"completion":                  {[]client.Option{anthropic}, 0, slow{header: 9 * time.Minute}, true, 9 * time.Minute},
		"completion that never comes": {[]client.Option{anthropic}, 0, slow{header: time.Hour}, false, 10 * time.Minute},
		"completions, streamed":       {[]client.Option{anthropic}, 0, slow{piece: 2 * time.Minute, pieces: 10}, true, 20 * time.Minute},
		"the last profile counts":     {[]client.Option{anthropic, kraken, client.WithScheme(transport.Bearer())}, 0, slow{header: time.Hour}, false, time.Minute},
		"explicit":                    {[]client.Option{client.WithTimeout(5 * time.Minute)}, 0, slow{header: 35 * time.Second, piece: time.Minute, pieces: 4}, true, 275 * time.Second},
		"explicit, over":              {[]client.Option{client.WithTimeout(5 * time.Minute)}, 0, slow{piece: time.Minute, pieces: 6}, false, 5 * time.Minute},
		"explicit, before a profile":  {[]client.Option{client.WithTimeout(time.Minute), anthropic}, 0, slow{header: time.Hour}, false, time.Minute},
		"none":                        {[]client.Option{client.WithTimeout(0)}, 0, slow{header: time.Hour}, true, time.Hour},
		"with retries":                {[]client.Option{client.WithRetry(3)}, 0, slow{header: time.Hour}, false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := c.base
				opts := append([]client.Option{client.WithBase(&base), client.WithOrigin("https://api.example.com"),
					client.WithRing(ring.WithLogger(nil))}, c.opts...)
				opts = append(opts, client.WithOrigin("https://api.example.com"))
				cl, err := client.New(t.Context(), source.Static(source.Key{ID: "id", Secret: source.NewSecret("sentinel-key")}), opts...)
				if err != nil {
					t.Fatal(err)
				}
				defer cl.Close()
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/", nil)
				if c.deadline > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
					defer cancel()
					req = req.WithContext(ctx)
				}
				began := time.Now()
				resp, err := cl.Do(req)
				if err == nil {
					if resp.Request != req && !strings.HasPrefix(name, "explicit") { // http.Client copies the request if it has a Timeout
						t.Error("resp.Request is not the caller's request")
					}
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("the request ended after %v, want %v", took, c.after)
				}
				if (err == nil) != c.want {
					t.Errorf("error %v", err)
				}
				var timeout net.Error
				if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded)) {
					t.Errorf("the error is no timeout: %v", err)
				}
				if base.calls != 1 {
					t.Errorf("%d requests were sent, want 1", base.calls)
				}
			})
		})
	}
}

// When the caller cancels the context, the error is context.Canceled, as it is
// without a limit.
//
// F41
func TestLimitLeavesCancellationAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl, err := client.New(t.Context(), source.Static(source.Key{Secret: source.NewSecret("sentinel-key")}),
			client.WithBase(&slow{piece: time.Hour, pieces: 1}), client.WithRing(ring.WithLogger(nil)), client.WithOrigin("https://api.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/", nil)
		resp, err := cl.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		_ = resp.Body.Close()
	})
}
