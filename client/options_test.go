package client_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A profile without origins keeps the origins of other options, in either order. If
// there are none, there is no client.
//
// F53, F131
func TestProfileWithoutOriginsLeavesTheCallers(t *testing.T) {
	api, elsewhere := mockapi.New(t), mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	origin, profile := client.WithOrigin(api.URL()), client.WithProvider(provider.Generic(transport.Bearer()))
	for name, opts := range map[string][]client.Option{
		"origin first": {origin, profile}, "profile first": {profile, origin},
	} {
		c := newClient(t, source.Static(key), opts...)
		if resp, err := c.Get(elsewhere.URL()); err == nil {
			resp.Body.Close()
			t.Errorf("%s: status %d", name, resp.StatusCode)
		} else if !errors.Is(err, transport.ErrOrigin) {
			t.Errorf("%s: error %v", name, err)
		}
		if code := get(t, c, api.URL()); code != http.StatusOK {
			t.Errorf("%s: status %d", name, code)
		}
	}
	for name, opts := range map[string][]client.Option{
		"no origins": nil, "no origins but the profile's": {profile},
		"the last profile counts": {client.WithProvider(provider.Generic(transport.Bearer(), api.URL())), profile},
	} {
		if _, err := client.New(t.Context(), source.Static(key), opts...); !errors.Is(err, transport.ErrOrigin) ||
			!strings.Contains(err.Error(), `WithOrigin("https://api.example.com")`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if n := len(elsewhere.Requests()); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// The overlap parameter of a source string takes effect with a profile too.
func TestOverlapOfTheSourceStringCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api-key")
	mount(t, path, source.Key{Secret: source.NewSecret("sentinel-1")})
	c, err := client.Parse(t.Context(), "file://"+path+"?overlap=1h",
		client.WithProvider(provider.Stripe()), client.WithRing(ring.WithFailFast(), ring.WithLogger(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mount(t, path, source.Key{Secret: source.NewSecret("sentinel-2")})
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := c.Ring().Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	a.Accepted() // the overlap begins
	after := time.Now()
	st := c.Status()
	if len(st.Versions) != 2 {
		t.Fatalf("status %+v", st)
	}
	if began := st.Versions[1].Until.Add(-time.Hour); began.Before(before) || began.After(after) {
		t.Errorf("overlap until %v, from %v", st.Versions[1].Until, before)
	}
}

// counting counts requests and calls of CloseIdleConnections.
type counting struct {
	http.RoundTripper
	sent, closed int
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.sent++
	return c.RoundTripper.RoundTrip(req)
}

func (c *counting) CloseIdleConnections() { c.closed++ }

// Both options set the base, and Close does not close the base's connections.
// WithBase(nil) keeps the default.
func TestBaseIsTheCallers(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	for name, option := range map[string]func(http.RoundTripper) client.Option{
		"client":    client.WithBase,
		"transport": func(b http.RoundTripper) client.Option { return client.WithTransport(transport.WithBase(b)) },
	} {
		base := &counting{RoundTripper: api.Client().Transport}
		c := newClient(t, source.Static(key), client.WithOrigin(api.URL()), client.WithBase(nil), option(base))
		if code := get(t, c, api.URL()); code != http.StatusOK || base.sent != 1 {
			t.Errorf("%s: status %d, %d sent", name, code, base.sent)
		}
		if err := c.Close(); err != nil || base.closed != 0 {
			t.Errorf("%s: %v, closed %d times", name, err, base.closed)
		}
	}
}

// An invalid or forbidden origin in UP_ORIGIN is an error that names the
// variable. If FromEnv ignored it, the first request would choose the origin.
func TestFromEnvRefusesOrigins(t *testing.T) {
	t.Setenv("UP_API_KEY", "id")
	t.Setenv("UP_API_SECRET", "sentinel-key")
	fromEnv := func(origin string, opts ...client.Option) error {
		t.Helper()
		t.Setenv("UP_ORIGIN", origin)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := client.FromEnv(ctx, "UP", append(opts, client.WithRing(ring.WithLogger(nil)))...)
		if err == nil {
			c.Close()
		}
		return err
	}
	for _, origin := range []string{",", " ", ", ,", "sentinel.example.com", "https://a.example,sentinel", "https://", "https://a.example/sentinel",
		"http://sentinel.example.com"} {
		err := fromEnv(origin)
		if !errors.Is(err, source.ErrInvalid) || !strings.Contains(err.Error(), "UP_ORIGIN") || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("%q: error %v", origin, err)
		}
	}
	for _, origin := range []string{"https://a.example", "https://a.example, https://b.example:444", "http://127.0.0.1:80"} {
		if err := fromEnv(origin); err != nil {
			t.Errorf("%q: error %v", origin, err)
		}
	}
	if err := fromEnv("http://a.example", client.WithTransport(transport.WithInsecureHTTP())); err != nil {
		t.Errorf("with WithInsecureHTTP: error %v", err)
	}
}

// The profile of an API that locks out clients with bad keys sets WithLockout:
// after one refusal no more requests are sent. Without it, each request is sent.
//
// F58
func TestLockoutOfProfile(t *testing.T) {
	for _, p := range []provider.Profile{provider.Kraken(), provider.BitMEX(), provider.GitHub(), provider.Stripe()} {
		t.Run(p.Name, func(t *testing.T) {
			api := mockapi.New(t)
			p.Scheme, p.Classifier, p.Origins = transport.Bearer(), nil, []string{api.URL()}
			c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-bad")}), client.WithProvider(p),
				client.WithRing(ring.WithRefusalWait(0), ring.WithLogger(nil)))
			refused := 0
			for range 10 {
				resp, err := c.Get(api.URL())
				if err == nil {
					resp.Body.Close()
				} else if errors.Is(err, ring.ErrRefused) {
					refused++
				}
			}
			locks := p.Name != provider.Stripe().Name
			if sent := len(api.Requests()); locks != (sent == 1) || sent+refused != 10 {
				t.Errorf("%d of 10 requests were sent, %d failed with ErrRefused", sent, refused)
			}
		})
	}
}
