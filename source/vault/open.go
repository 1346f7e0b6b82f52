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

func init() { source.Register("vault", open) }

// open opens a source string; the package comment has the parameters.
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
	src, err := New(client, mount, path, opts...)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// place says where the secret is: the mount is the path's first part, unless it
// is named.
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

// decoder says what the data holds: it always is an object.
func decoder(query url.Values) (source.Decoder, error) {
	if query.Get("format") == "json" {
		return pair.Decoder(query)
	}
	names, _, err := pair.Params(query)
	if err == nil && query.Has("format") {
		err = errors.New("format is not json, the only one that has to be named")
	}
	return names.JSON, err
}

// method says how to get a token, nil for the client's own.
func method(query url.Values) (api.AuthMethod, error) {
	values, err := param.Some(query, "token_file", "role_id", "secret_id_file", "auth_mount")
	if err != nil {
		return nil, err
	}
	file, role, secretFile, mount := values["token_file"], values["role_id"], values["secret_id_file"], strings.Trim(values["auth_mount"], "/")
	switch {
	case file != "" && role != "":
		return nil, errors.New("token_file and role_id exclude each other")
	case role == "" && secretFile+mount != "":
		return nil, errors.New("secret_id_file and auth_mount are for role_id")
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
