package azure_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// A stub is a vault with the secret "key" behind the SDK's fake server.
type stub struct {
	t     testing.TB
	fakes *fake.ServerTransport

	mu       sync.Mutex
	exists   bool
	created  time.Time
	versions []*version // oldest first
	calls    map[string]int
	readings int
	fault    func(*http.Request) (*http.Response, error)
}

type version struct {
	name  string
	text  string
	about azsecrets.SecretAttributes
}

func newStub(t testing.TB) *stub {
	s := &stub{t: t, created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), calls: make(map[string]int)}
	s.fakes = fake.NewServerTransport(&fake.Server{NewListSecretPropertiesVersionsPager: s.list, GetSecret: s.get})
	return s
}

func (s *stub) client() *azsecrets.Client {
	client, err := azsecrets.NewClient("https://acme.vault.azure.net", &azfake.TokenCredential{}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: s},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// Do simulates the network between the client and the vault.
func (s *stub) Do(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	fault := s.fault
	s.readings++
	n := s.readings
	s.mu.Unlock()
	if fault != nil {
		return fault(r)
	}
	return s.answer(r, n)
}

// slow answers as usual, but later.
func (s *stub) slow(r *http.Request) (*http.Response, error) {
	<-time.After(200 * time.Millisecond)
	s.mu.Lock()
	n := s.readings
	s.mu.Unlock()
	return s.answer(r, n)
}

func (s *stub) answer(r *http.Request, n int) (*http.Response, error) {
	if path, ok := strings.CutSuffix(r.URL.Path, "/versions"); ok {
		// The fake server stores the pages of a listing by its path, so two concurrent
		// listings would share them. Each listing gets a path of its own.
		r = r.Clone(r.Context())
		r.URL.Path = fmt.Sprintf("%s.%d/versions", path, n)
	}
	return s.fakes.Do(r)
}

// set sets the fault of every response. nil ends the fault.
func (s *stub) set(fault func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// add creates a version, which is a minute newer than the one before. It returns the
// attributes that a test can change.
func (s *stub) add(name, text string) *azsecrets.SecretAttributes {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists = true
	s.created = s.created.Add(time.Minute)
	v := &version{name, text, azsecrets.SecretAttributes{Enabled: to.Ptr(true), Created: to.Ptr(s.created)}}
	s.versions = append(s.versions, v)
	return &v.about
}

func (s *stub) find(name string) *version {
	for _, v := range s.versions {
		if v.name == name {
			return v
		}
	}
	return nil
}

func (s *stub) enable(name string, enabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(name).about.Enabled = &enabled
}

func (s *stub) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists, s.versions = false, nil
}

func (s *stub) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func id(version string) *azsecrets.ID {
	return to.Ptr(azsecrets.ID("https://acme.vault.azure.net/secrets/key/" + version))
}

// list answers in pages of three, oldest first. The real service lists versions in no order.
func (s *stub) list(string, *azsecrets.ListSecretPropertiesVersionsOptions) (resp azfake.PagerResponder[azsecrets.ListSecretPropertiesVersionsResponse]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["list"]++
	if !s.exists {
		resp.AddResponseError(404, "SecretNotFound")
		return resp
	}
	var page azsecrets.ListSecretPropertiesVersionsResponse
	flush := func() {
		resp.AddPage(200, page, nil)
		page = azsecrets.ListSecretPropertiesVersionsResponse{}
	}
	for _, v := range s.versions {
		about := v.about
		page.Value = append(page.Value, &azsecrets.SecretProperties{ID: id(v.name), Attributes: &about})
		if len(page.Value) == 3 {
			flush()
		}
	}
	flush()
	return resp
}

func (s *stub) get(_ context.Context, _, name string, _ *azsecrets.GetSecretOptions) (resp azfake.Responder[azsecrets.GetSecretResponse], failed azfake.ErrorResponder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["get "+name]++
	s.calls["get"]++
	v := s.find(name)
	if name == "" && len(s.versions) > 0 {
		v = s.versions[len(s.versions)-1]
	}
	switch {
	case !s.exists || v == nil:
		failed.SetResponseError(404, "SecretNotFound")
	case !*v.about.Enabled:
		failed.SetResponseError(403, "Forbidden")
	default:
		resp.SetResponse(200, azsecrets.GetSecretResponse{Secret: azsecrets.Secret{ID: id(v.name), Value: &v.text}}, nil)
	}
	return resp, failed
}

// put makes these the enabled versions, newest first.
func (s *stub) put(keys ...source.Key) {
	for i := len(keys) - 1; i >= 0; i-- {
		s.mu.Lock()
		found := s.find(keys[i].Version)
		s.mu.Unlock()
		if found == nil {
			s.add(keys[i].Version, keys[i].Secret.Expose())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists = true
	for _, v := range s.versions {
		v.about.Enabled = to.Ptr(false)
	}
	for _, k := range keys {
		s.find(k.Version).about.Enabled = to.Ptr(true)
	}
}

func backend(s *stub, src source.Source) conformance.SourceBackend {
	return conformance.SourceBackend{
		Source: src,
		Put: func(keys ...source.Key) {
			s.set(nil)
			s.put(keys...)
		},
		Delete:  s.delete,
		Break:   func() { s.set(refused) },
		Repair:  func() { s.set(nil) },
		Hang:    func() { s.set(hang) },
		Deny:    func() { s.set(answers(403, "")) },
		Restore: func() { s.set(nil) },
	}
}

func name(n int) string { return fmt.Sprintf("%032x", n*7919%1000) } // in no order
