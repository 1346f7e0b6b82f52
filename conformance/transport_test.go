package conformance_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// F28 to F44, F48, F50, F51, F53 to F62, F65 to F68, F71, F73: package transport.
func TestTransport(t *testing.T) {
	t.Parallel()
	conformance.TestTransport(t, conformance.TransportHarness{New: rolling})
}

func rolling(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
	live, err := ring.Keep(t.Context(), keys, ring.WithLogger(nil), ring.WithPoll(1000*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live.Close() })
	return transport.New(live, transport.Bearer(), transport.WithBase(base), transport.WithOriginOfFirstRequest()), func() {
		if err := live.Refresh(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// F39, F52: the same for the transport of a client with WithRetry and a classifier that
// reads the body of every response.
func TestClientTransport(t *testing.T) {
	t.Parallel()
	looks := func(a *transport.Answer) transport.Verdict {
		_ = a.Body()
		return transport.RFC6750(a)
	}
	conformance.TestTransport(t, conformance.TransportHarness{
		New: func(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
			c, err := client.New(t.Context(), keys, client.WithBase(base), client.WithRetry(2),
				client.WithTransport(transport.WithClassifier(looks), transport.WithOriginOfFirstRequest()),
				client.WithRing(ring.WithLogger(nil), ring.WithPoll(1000*time.Hour)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return c.Transport(), func() {
				if err := c.Refresh(context.Background()); err != nil {
					t.Error(err)
				}
			}
		},
	})
}
