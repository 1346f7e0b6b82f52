package vault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
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
	return New(client, mount, path, opts...)
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
	switch query.Get("format") {
	case "":
		if query.Has("format") {
			break
		}
		if !query.Has("id") && !query.Has("secret") && !query.Has("passphrase") {
			return versions.Fields("", "", ""), nil
		}
		return versions.Decoder(query)
	case "json":
		return versions.Decoder(query)
	}
	return nil, errors.New("format is not json, the only one that has to be named")
}

// method says how to get a token, nil for the client's own.
func method(query url.Values) (api.AuthMethod, error) {
	var values [4]string
	for i, name := range []string{"token_file", "role_id", "secret_id_file", "auth_mount"} {
		var err error
		if values[i], err = param.One(query, name); err != nil {
			return nil, err
		}
	}
	file, role, secretFile, mount := values[0], values[1], values[2], strings.Trim(values[3], "/")
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
