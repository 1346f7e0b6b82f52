package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

type panicking struct{ transport.Scheme }

func (panicking) Resync(*transport.Answer) bool { panic("resync") }

// Callbacks that panic: the answer goes back, the next request works, and no
// attempt counts as being out for ever.
//
// F97
func TestPanicsInCallbacks(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"classifier": {transport.WithClassifier(func(*transport.Answer) transport.Verdict { panic("classifier") })},
		"reading": {transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
			_ = a.Body()
			panic("classifier")
		})},
		"replay": {transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { panic("replay") })},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				ring := keep(t, newStore("v2", "v1"), source.WithObserver(func(source.Event) { panic("observer") }))
				rt := transport.New(ring, transport.Bearer(), append(opts, transport.WithBase(srv.base(t)))...)
				a := send(t, rt, get(t, srv.URL))
				a.want(t, http.StatusUnauthorized, "v2", 1)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				g.accept("v1", "v2")
				if a := send(t, rt, get(t, srv.URL)); a.StatusCode != http.StatusOK {
					t.Errorf("status %d", a.StatusCode)
				}
				for _, v := range ring.Status().Versions {
					if v.InFlight != 0 {
						t.Errorf("%s: %d attempts in flight", v.Version, v.InFlight)
					}
				}
			})
		})
	}
	t.Run("signer", func(t *testing.T) {
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error { panic("signing with " + k.Secret.Expose()) }), nil
		})
		ring := keep(t, newStore("v1"))
		body := &countingBody{Reader: strings.NewReader("order")}
		resp, err := transport.New(ring, signs, transport.WithBase(stub{})).RoundTrip(request(t, http.MethodPost, "https://api.example.com", body))
		if resp != nil || err == nil || strings.Contains(err.Error(), sentinel) || body.closed.Load() == 0 {
			t.Errorf("%v, error %v, closed %d times", resp, err, body.closed.Load())
		}
		if n := ring.Status().Current.InFlight; n != 0 {
			t.Errorf("%d attempts in flight", n)
		}
	})
	t.Run("scheme", func(t *testing.T) {
		prepares := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) { panic(k.Secret.Expose()) })
		_, err := transport.New(keep(t, newStore("v1")), prepares, transport.WithBase(stub{})).RoundTrip(get(t, "https://api.example.com"))
		if err == nil || strings.Contains(fmt.Sprintf("%v %#v", err, err), sentinel) {
			t.Errorf("error %v", err)
		}
	})
}
