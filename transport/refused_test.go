package transport_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A request whose context is over after a refusal says so, with the refusal: canceled
// while it waits for another key, or over when the answer comes.
//
// F133
func TestContextOverAfterARefusal(t *testing.T) {
	for _, timeout := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			rt, err := transport.Keep(t.Context(), source.Static(key("v1")), transport.Bearer(), []ring.Option{ring.WithLogger(nil)}, transport.WithOrigin("https://a.example"),
				transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) {
					if timeout {
						time.Sleep(time.Second) // although the context is over
					}
					return status(http.StatusUnauthorized), nil
				})))
			if err != nil {
				t.Fatal(err)
			}
			defer rt.Ring().Close()
			ctx, cancel := context.WithCancel(t.Context())
			if timeout {
				ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
			} else {
				time.AfterFunc(500*time.Millisecond, cancel)
			}
			defer cancel()
			_, err = rt.RoundTrip(get(t, "https://a.example").WithContext(ctx))
			if !errors.Is(err, ctx.Err()) || !errors.Is(err, ring.ErrRefused) || !strings.Contains(err.Error(), "status 401") {
				t.Errorf("error %v", err)
			}
			if n, ok := err.(net.Error); !ok || n.Timeout() != timeout {
				t.Errorf("a net.Error: %v, want one with Timeout() == %v", ok, timeout)
			}
		})
	}
}
