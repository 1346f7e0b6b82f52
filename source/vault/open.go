package vault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/rollingkeys/rollingkeys/source"
)

func init() { source.Register("vault", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	src, err := parse(u, query)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(u.String()), Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return src, nil
}

func parse(u *url.URL, query url.Values) (*Source, error) {
	param := make(map[string]string)
	for _, name := range []string{"format", "id", "secret", "passphrase", "mount", "token_file", "role_id", "secret_id_file", "auth_mount"} {
		if values, ok := query[name]; ok {
			if len(values) > 1 {
				return nil, fmt.Errorf("%s is given twice", name)
			}
			param[name] = values[0]
			query.Del(name)
		}
	}
	mount, path, found := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if m := strings.Trim(param["mount"], "/"); m != "" {
		mount = m
		path, found = strings.CutPrefix(strings.Trim(u.Path, "/"), m+"/")
	}
	if !found || path == "" {
		return nil, errors.New("want vault://HOST/MOUNT/PATH, or vault:///MOUNT/PATH with VAULT_ADDR set")
	}
	data, err := format(param)
	if err != nil {
		return nil, err
	}
	opts := []Option{data}
	login, err := method(param)
	if err != nil {
		return nil, err
	}
	if login != nil {
		opts = append(opts, WithLogin(login))
	}
	config := api.DefaultConfig() // takes VAULT_ADDR, VAULT_CACERT and the like
	if config.Error != nil {
		return nil, errors.New("the VAULT_ variables of the environment cannot be used")
	}
	if u.Host != "" {
		config.Address = "https://" + u.Host
	}
	client, err := api.NewClient(config) // takes VAULT_TOKEN and VAULT_NAMESPACE
	if err != nil {
		return nil, errors.New("the address, or VAULT_ variables of the environment, cannot be used")
	}
	return New(client, mount, path, opts...)
}

// format says what the data holds.
func format(param map[string]string) (Option, error) {
	switch named := param["id"]+param["secret"]+param["passphrase"] != ""; {
	case param["format"] == "":
		return WithFields(param["id"], param["secret"], param["passphrase"]), nil
	case param["format"] != "json":
		return nil, errors.New("format is not json, the only one that has to be named")
	case named:
		return nil, errors.New("format has no meaning beside id, secret and passphrase")
	}
	return WithDecoder(source.Document), nil
}

// method says how to get a token, nil for the client's own.
func method(param map[string]string) (api.AuthMethod, error) {
	file, role := param["token_file"], param["role_id"]
	switch {
	case file != "" && role != "":
		return nil, errors.New("token_file and role_id exclude each other")
	case role == "" && param["secret_id_file"]+param["auth_mount"] != "":
		return nil, errors.New("secret_id_file and auth_mount are for role_id")
	case file != "":
		return TokenFile(file), nil
	case role == "":
		return nil, nil
	}
	secret := &approle.SecretID{FromFile: param["secret_id_file"]}
	if secret.FromFile == "" {
		secret.FromEnv = "VAULT_SECRET_ID"
	}
	var opts []approle.LoginOption
	if mount := strings.Trim(param["auth_mount"], "/"); mount != "" {
		opts = append(opts, approle.WithMountPath(mount))
	}
	return approle.NewAppRoleAuth(role, secret, opts...)
}
