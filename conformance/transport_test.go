package conformance_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// F28 to F44, F48, F50, F51, F53 to F62, F65 to F68, F71, F73: our own.
func TestTransport(t *testing.T) {
	conformance.TestTransport(t, conformance.TransportHarness{New: rolling})
}

func rolling(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
	ring, err := source.Keep(t.Context(), keys, source.WithLogger(nil), source.WithPoll(1000*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ring.Close() })
	return transport.New(ring, transport.Bearer(), transport.WithBase(base)), func() {
		if err := ring.Refresh(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
