package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
)

// TokenFile returns a login method for [WithLogin] that takes the token out of
// the file at path: the sink of a Vault Agent, or ~/.vault-token. The file is
// read again when Vault no longer knows the token.
func TokenFile(path string) api.AuthMethod { return tokenFile(path) }

type tokenFile string

func (f tokenFile) Login(context.Context, *api.Client) (*api.Secret, error) {
	data, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, errors.Unwrap(err))
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return nil, errNoToken
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
}
