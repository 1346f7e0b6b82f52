package azcred_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/azcred"
)

// The project's transport sends the requests of a client of the Azure SDK, which has no
// credential. Here the client is a bare pipeline, and the service a stand-in that
// accepts only the second key.
func Example() {
	ctx := context.Background()
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Api-Key") != "second" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer service.Close()
	keys := `{"keys": [{"version": "v1", "secret": "first"}, {"version": "v2", "secret": "second"}]}`
	set, err := source.Document([]byte(keys))
	if err != nil {
		log.Fatal(err)
	}
	live, err := ring.Keep(ctx, listed{set})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()

	t := transport.New(live, transport.Header("Api-Key"), transport.WithOrigin(service.URL), transport.WithBase(service.Client().Transport))
	options := policy.ClientOptions{Transport: &http.Client{Transport: t}}

	client := runtime.NewPipeline("example", "v1.0.0", runtime.PipelineOptions{}, &options)
	req, err := runtime.NewRequest(ctx, http.MethodGet, service.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.StatusCode, live.Version())
	// Output: 200 v2
}

// listed is a source with a few keys that do not change.
type listed struct{ set source.Set }

func (l listed) Read(context.Context) (source.Set, error) { return l.set, nil }

// KeyCredential keeps a credential up to date, for code that takes only a credential.
func ExampleKeyCredential() {
	ctx := context.Background()
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Api-Key") != "the-key" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer service.Close()
	keys, err := ring.Keep(ctx, source.Static(source.Key{Secret: source.NewSecret("the-key")}))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()

	cred, stop, err := azcred.KeyCredential(keys)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	client := runtime.NewPipeline("example", "v1.0.0", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewKeyCredentialPolicy(cred, "Api-Key", nil)}, // as the SDK's clients have it
	}, &policy.ClientOptions{Transport: service.Client()})
	req, err := runtime.NewRequest(ctx, http.MethodGet, service.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.StatusCode)
	// Output: 200
}
