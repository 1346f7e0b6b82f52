//go:build all

package sdks

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// parts is an Authenticator for keys whose fields come in several headers.
type parts map[string]func(source.Key) string

func idOf(key source.Key) string     { return key.ID }
func secretOf(key source.Key) string { return key.Secret.Expose() }

func (p parts) Authenticate(r *http.Request, _ func() ([]byte, error), keys mockapi.Keys) (string, *mockapi.Refusal) {
	var found []source.Key
	for header, field := range p {
		secret := r.Header.Get(header)
		if one := keys.BySecret(secret); len(one) > 0 && field(one[0]) == secret {
			found = one
		}
	}
	for _, key := range found {
		whole := true
		for header, field := range p {
			values := r.Header.Values(header)
			whole = whole && len(values) == 1 && values[0] == field(key)
		}
		if whole {
			return key.Version, nil
		}
	}
	return "", nil
}

func (p parts) Credentials() (headers, params []string) {
	return slices.Collect(maps.Keys(p)), nil
}

// broken returns calls that fail with err, for an SDK whose client cannot be made.
func broken(err error) calls { return calls{read: func(context.Context) error { return err }} }

// prefixed is an Authenticator for a secret after a prefix in a header.
type prefixed struct{ header, prefix string }

func (p prefixed) Authenticate(r *http.Request, _ func() ([]byte, error), keys mockapi.Keys) (string, *mockapi.Refusal) {
	values := r.Header.Values(p.header)
	if len(values) != 1 {
		return "", nil
	}
	secret, ok := strings.CutPrefix(values[0], p.prefix)
	if found := keys.BySecret(secret); ok && len(found) > 0 {
		return found[0].Version, nil
	}
	return "", nil
}

func (p prefixed) Credentials() (headers, params []string) { return []string{p.header}, nil }
