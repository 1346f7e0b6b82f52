package peers

import (
	"context"
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/httptransport"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	ktransport "k8s.io/client-go/transport"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Peer is one RoundTripper under comparison.
type Peer struct {
	// Name is the head of its column. Module is its module path; empty for this
	// project.
	Name, Module string
	// New makes the RoundTripper; see [conformance.TransportHarness].
	New func(testing.TB, *conformance.Keys, http.RoundTripper) (http.RoundTripper, func())
	// Skip maps the cases that would test this package's adapter instead of the peer
	// to the reasons.
	Skip map[string]string
}

// Peers returns this project's transport, followed by the peers.
func Peers() []Peer {
	return []Peer{
		{Name: "rollingkeys", New: rolling},
		{Name: "x/oauth2", Module: "golang.org/x/oauth2", New: asked(oauth)},
		{Name: "client-go", Module: "k8s.io/client-go", New: asked(kubernetes)},
		{Name: "prometheus/common", Module: "github.com/prometheus/common", New: asked(prometheus)},
		{Name: "cloud auth", Module: "cloud.google.com/go/auth", New: google},
		{Name: "azcore", Module: "github.com/Azure/azure-sdk-for-go/sdk/azcore", New: asked(azure), Skip: map[string]string{
			"Unchanged": noRoundTripper, "NilHeader": noRoundTripper, "CloseIdle": noRoundTripper,
		}},
		{Name: "retryablehttp over x/oauth2", Module: "github.com/hashicorp/go-retryablehttp", New: asked(retryable)},
		{Name: "failsafehttp over x/oauth2", Module: "github.com/failsafe-go/failsafe-go", New: asked(failsafe)},
	}
}

const noRoundTripper = "a pipeline is no RoundTripper: the case would test the adapter that makes it one"

func rolling(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
	live, err := ring.Keep(t.Context(), keys, ring.WithLogger(nil))
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

// asked returns New for a RoundTripper that asks for the key at each request.
func asked(make func(*conformance.Keys, http.RoundTripper) http.RoundTripper) func(testing.TB, *conformance.Keys, http.RoundTripper) (http.RoundTripper, func()) {
	return func(_ testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
		return make(keys, base), nil
	}
}

// tokens is an oauth2.TokenSource that always has the newest key.
type tokens struct{ keys *conformance.Keys }

func (t tokens) Token() (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: t.keys.Current().Secret.Expose(), TokenType: "Bearer"}, nil
}

func oauth(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	return &oauth2.Transport{Source: tokens{keys}, Base: base}
}

func kubernetes(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	return ktransport.TokenSourceWrapTransport(tokens{keys})(base)
}

// reader is a config.SecretReader of prometheus/common.
type reader struct{ keys *conformance.Keys }

func (r reader) Fetch(context.Context) (string, error) { return r.keys.Current().Secret.Expose(), nil }
func (r reader) Description() string                   { return "conformance" }
func (r reader) Immutable() bool                       { return false }

func prometheus(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	return config.NewAuthorizationCredentialsRoundTripper("Bearer", reader{keys}, base)
}

// provider is an auth.TokenProvider of cloud.google.com/go/auth.
type provider struct{ keys *conformance.Keys }

func (p provider) Token(context.Context) (*auth.Token, error) {
	// Without an expiry, the token would be cached for good. An expired one is asked
	// for at each request.
	return &auth.Token{Value: p.keys.Current().Secret.Expose(), Type: "Bearer", Expiry: time.Now()}, nil
}

func google(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
	client, err := httptransport.NewClient(&httptransport.Options{
		DisableTelemetry: true,
		BaseRoundTripper: base,
		Credentials:      auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: provider{keys}}),
		UniverseDomain:   "googleapis.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.Transport, nil
}

// pipeline adapts azcore's pipeline to a RoundTripper. Its credential has a key that
// can be replaced.
type pipeline struct {
	keys *conformance.Keys
	cred *azcore.KeyCredential
	pl   runtime.Pipeline
}

// sender adapts a RoundTripper to the policy.Transporter that sends the requests.
type sender struct{ http.RoundTripper }

func (s sender) Do(req *http.Request) (*http.Response, error) { return s.RoundTrip(req) }

func azure(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	cred := azcore.NewKeyCredential(keys.Current().Secret.Expose())
	key := runtime.NewKeyCredentialPolicy(cred, "Authorization", &runtime.KeyCredentialPolicyOptions{Prefix: "Bearer "})
	return &pipeline{keys, cred, runtime.NewPipeline("conformance", "v1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{key},
	}, &policy.ClientOptions{Transport: sender{base}, Retry: policy.RetryOptions{MaxRetries: -1}})}
}

func (p *pipeline) RoundTrip(req *http.Request) (*http.Response, error) {
	p.cred.Update(p.keys.Current().Secret.Expose())
	// Copy the request: the pipeline may change it, which a RoundTripper must not.
	out := *req
	if out.Header = req.Header.Clone(); out.Header == nil {
		out.Header = make(http.Header)
	}
	again, err := runtime.NewRequestFromRequest(&out)
	if err != nil {
		return nil, err
	}
	runtime.SkipBodyDownload(again)
	resp, err := p.pl.Do(again)
	if err != nil && resp != nil { // a pipeline may return both, if the context has ended
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, err
}

// The retry libraries repeat a refused request once, after a pause in which the source
// may get the new key.
const (
	once  = 1
	pause = 500 * time.Millisecond
)

func retryable(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = once
	client.RetryWaitMin, client.RetryWaitMax = pause, pause
	client.HTTPClient = &http.Client{Transport: oauth(keys, base), CheckRedirect: stay}
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		return err == nil && resp.StatusCode == http.StatusUnauthorized, ctx.Err()
	}
	return &retryablehttp.RoundTripper{Client: client}
}

// stay leaves redirects to the caller's client.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func failsafe(keys *conformance.Keys, base http.RoundTripper) http.RoundTripper {
	retry := failsafehttp.NewRetryPolicyBuilder().WithMaxRetries(once).WithDelay(pause).
		HandleIf(func(resp *http.Response, err error) bool {
			return err == nil && resp.StatusCode == http.StatusUnauthorized
		}).ReturnLastFailure().Build()
	return failsafehttp.NewRoundTripper(oauth(keys, base), retry)
}
