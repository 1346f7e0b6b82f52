package conformance_test

import (
	"context"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// The mock API passes the same suite as the gateways nginx, HAProxy and Caddy.
func TestMockAPI(t *testing.T) {
	api := mockapi.New(t)
	names := make(map[string]string) // the mock's version names, by secret
	t.Run("API", func(t *testing.T) {
		conformance.TestAPI(t, api.URL(), conformance.APIAdmin{
			Accept: func(_ context.Context, keys ...source.Key) error {
				var live []string
				for _, key := range keys {
					secret := key.Secret.Expose()
					if names[secret] == "" {
						names[secret] = api.Issue(mockapi.Spec{Secret: secret}).Version
					}
					live = append(live, names[secret])
					if err := api.Activate(names[secret]); err != nil {
						return err
					}
				}
				for _, version := range names {
					if !slices.Contains(live, version) {
						if err := api.Deactivate(version); err != nil {
							return err
						}
					}
				}
				return nil
			},
			Logged: func(_ context.Context, id string) ([]string, error) {
				var list []string
				for _, a := range api.Requests() {
					if a.Header.Get("X-Request-Id") != id {
						continue
					}
					version := ""
					for _, key := range []source.Key{conformance.NewKey(1), conformance.NewKey(2)} {
						if a.Accepted && names[key.Secret.Expose()] == a.Version {
							version = key.Version
						}
					}
					list = append(list, version)
				}
				return list, nil
			},
		})
	})
}
