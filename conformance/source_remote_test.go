package conformance_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// F75, F78, F80, F82, F83, F104: an endpoint that lists versions and answers long polls.
func TestRemoteSource(t *testing.T) {
	t.Parallel()
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			api := mockapi.New(t)
			src, err := remote.New(api.KeysURL())
			if err != nil {
				t.Fatal(err)
			}
			b := &endpoint{t: t, api: api, versions: map[string]string{}}
			b.Delete()
			return conformance.SourceBackend{
				Source:  src,
				Put:     b.Put,
				Delete:  b.Delete,
				Break:   func() { b.answer(http.StatusServiceUnavailable, "text/plain", "") },
				Repair:  func() { api.InterceptKeys(nil) },
				Hang:    b.hang,
				Deny:    func() { b.answer(http.StatusForbidden, "application/json", `{"error":"denied"}`) },
				Restore: func() { api.InterceptKeys(nil) },
				Tear: func(next source.Key) {
					data, err := source.EncodeDocument(source.Set{Keys: []source.Key{next}, Complete: true})
					if err != nil {
						t.Fatal(err)
					}
					b.answer(http.StatusOK, "application/json", string(data[:len(data)/2]))
				},
			}
		},
		Key: func(n int) source.Key {
			key := conformance.NewKey(n)
			key.ID = "id-" + key.Version
			key.Metadata = map[string]string{"owner": "conformance"}
			return key
		},
		Lists: true,
	})
}

// endpoint is the mock API's key document as a backend.
type endpoint struct {
	t        testing.TB
	api      *mockapi.API
	versions map[string]string // the mock's version names, by the suite's
}

func (b *endpoint) Put(keys ...source.Key) {
	b.t.Helper()
	var listed []string
	for _, key := range slices.Backward(keys) { // oldest first
		version, ok := b.versions[key.Version]
		if !ok {
			version = b.api.Issue(mockapi.Spec{
				ID: key.ID, Secret: key.Secret.Expose(), Metadata: key.Metadata, Unlisted: true,
			}).Version
			b.versions[key.Version] = version
		}
		listed = append(listed, version)
	}
	// List the new versions before unlisting the old ones, so that a reading in
	// between finds a key.
	for _, version := range listed {
		_ = b.api.List(version)
	}
	for _, version := range b.versions {
		if !slices.Contains(listed, version) {
			_ = b.api.Unlist(version)
		}
	}
	b.api.InterceptKeys(nil)
}

func (b *endpoint) Delete() { b.answer(http.StatusNotFound, "text/plain", "") }

func (b *endpoint) answer(code int, contentType, body string) {
	b.api.InterceptKeys(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
		return true
	})
}

func (b *endpoint) hang() {
	b.api.InterceptKeys(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}
