package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// orders is Bearer for an API whose orders are GETs.
type orders struct{ transport.Scheme }

func (o orders) Traits() transport.Traits {
	traits := o.Scheme.Traits()
	traits.NotIdempotent = func(r *http.Request) bool { return r.URL.Path == "/order" }
	return traits
}

// A request that the scheme declares NotIdempotent is not repeated after a 503,
// even if it is a GET: the server may have carried it out.
//
// F67
func TestRetryLeavesOrdersAlone(t *testing.T) {
	api := mockapi.New(t, mockapi.WithHandler(http.HandlerFunc(unavailable)))
	c := newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithRetry(1), client.WithScheme(orders{transport.Bearer()}), client.WithOrigin(api.URL()))
	for path, tries := range map[string]int{"/order": 1, "/data": 2} {
		before := len(api.Requests())
		if code := get(t, c, api.URL()+path); code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", path, code)
		}
		if n := len(api.Requests()) - before; n != tries {
			t.Errorf("%s was sent %d times, want %d", path, n, tries)
		}
	}
}

// panics is Bearer with a NotIdempotent that panics.
type panics struct{ transport.Scheme }

func (panics) Traits() transport.Traits {
	return transport.Traits{NotIdempotent: func(*http.Request) bool { panic("order") }}
}

// F97
func TestRetryOverASchemeThatPanics(t *testing.T) {
	api := mockapi.New(t)
	c := newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithRetry(1), client.WithScheme(panics{transport.Bearer()}), client.WithOrigin(api.URL()))
	if _, err := c.Get(api.URL()); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("error %v", err)
	}
}

// The caller's options override the profile, wherever they stand: the key of a test
// network must not reach the production API.
//
// F53, F139
func TestCallersOptionsOverrideTheProfile(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAuth(mockapi.Header("X-Mine")))
	profile := client.WithProvider(provider.Profile{
		Name: "p", Scheme: transport.Bearer(), Origins: []string{"https://real.example"},
		Classifier: func(*transport.Answer) transport.Verdict { return transport.Inconclusive },
	})
	key := source.Key{ID: "sentinel", Secret: source.NewSecret("sentinel-wrong")}
	mine := []client.Option{client.WithOrigin(api.URL()), client.WithScheme(transport.Header("X-Mine")),
		client.WithTransport(transport.WithClassifier(transport.RFC6750)), client.WithRing(ring.WithRefusalWait(0))}
	for name, opts := range map[string][]client.Option{
		"after": append([]client.Option{profile}, mine...), "before": append(mine[:len(mine):len(mine)], profile),
	} {
		c := newClient(t, source.Static(key), opts...)
		before := len(api.Requests())
		if code := get(t, c, api.URL()); code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, code)
		}
		if c.Status().Current.Refused != 1 {
			t.Errorf("%s: the profile's classifier counts", name)
		}
		if sent := api.Requests()[before:]; len(sent) != 1 || sent[0].Header.Get("X-Mine") == "" {
			t.Errorf("%s: the profile's scheme counts", name)
		}
		if _, err := c.Get("https://real.example/"); !errors.Is(err, transport.ErrOrigin) {
			t.Errorf("%s: request to the profile's own origin: error %v, want ErrOrigin", name, err)
		}
	}
}
