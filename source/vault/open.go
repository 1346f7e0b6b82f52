package vault

import (
	"errors"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("vault", open, "id", "secret", "passphrase", "format", "mount", "token_file", "role_id", "secret_id_file", "auth_mount")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	mount, path, err := place(u, query)
	if err != nil {
		return nil, err
	}
	decode, err := decoder(query)
	if err != nil {
		return nil, err
	}
	login, err := method(query)
	if err != nil {
		return nil, err
	}
	opts := []Option{WithDecoder(decode)}
	if login != nil {
		opts = append(opts, WithLogin(login))
	}
	config := api.DefaultConfig() // reads VAULT_ADDR, VAULT_CACERT and others
	if config.Error != nil {
		return nil, errors.New("one of the VAULT_ variables in the environment is not valid")
	}
	if u.Host != "" {
		config.Address = "https://" + u.Host
	}
	client, err := api.NewClient(config) // reads VAULT_TOKEN and VAULT_NAMESPACE
	if err != nil {
		return nil, errors.New("the address, or one of the VAULT_ variables in the environment, is not valid")
	}
	src, err := New(client, mount, path, opts...)
	if err != nil {
		return nil, err
	}
	src.hangUp = config.HttpClient.CloseIdleConnections
	return src, nil
}

// place returns the mount and the path of the secret. The mount is the first part of the
// URL's path, unless the parameter mount names it.
func place(u *url.URL, query url.Values) (mount, path string, err error) {
	whole := strings.Trim(u.Path, "/")
	mount, path, found := strings.Cut(whole, "/")
	named, err := param.One(query, "mount")
	if named = strings.Trim(named, "/"); named != "" {
		mount = named
		path, found = strings.CutPrefix(whole, named+"/")
	}
	if err == nil && (!found || mount == "" || path == "") {
		err = errors.New("want vault://HOST/MOUNT/PATH, or vault:///MOUNT/PATH with VAULT_ADDR set")
	}
	return mount, path, err
}

// decoder returns the decoder of the data, which is always a JSON object.
func decoder(query url.Values) (source.Decoder, error) {
	if query.Get("format") == "json" {
		return pair.Decoder(query)
	}
	names, _, err := pair.Params(query)
	if err == nil && query.Has("format") {
		err = errors.New("format must be json or left out")
	}
	return names.JSON, err
}

// method returns the login method that the parameters name, or nil to use the client's token.
func method(query url.Values) (api.AuthMethod, error) {
	values, err := param.Some(query, "token_file", "role_id", "secret_id_file", "auth_mount")
	if err != nil {
		return nil, err
	}
	file, role, secretFile, mount := values["token_file"], values["role_id"], values["secret_id_file"], strings.Trim(values["auth_mount"], "/")
	switch {
	case file != "" && role != "":
		return nil, errors.New("token_file and role_id cannot be combined")
	case role == "" && secretFile+mount != "":
		return nil, errors.New("secret_id_file and auth_mount need role_id")
	case file != "":
		return TokenFile(file), nil
	case role == "":
		return nil, nil
	}
	secret := &approle.SecretID{FromFile: secretFile}
	if secretFile == "" {
		secret.FromEnv = "VAULT_SECRET_ID"
	}
	var opts []approle.LoginOption
	if mount != "" {
		opts = append(opts, approle.WithMountPath(mount))
	}
	return approle.NewAppRoleAuth(role, secret, opts...)
}
