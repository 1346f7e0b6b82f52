package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
)

// TokenFile returns a login method for [WithLogin] that reads the token from the file at
// path, such as the sink of a Vault Agent or ~/.vault-token. Each login reads the file again.
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
