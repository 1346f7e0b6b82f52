package nats

import (
	"errors"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("nats", open, "server", "creds_file", "format", "prefix", "username", "password_env", "password_file", "tls", "ca_file", "cert_file", "key_file")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host == "" || bucket == "" || key == "" {
		return nil, errors.New("want nats://HOST:PORT/BUCKET/KEY")
	}
	servers := append([]string{u.Host}, query["server"]...)
	query.Del("server")
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	creds, err := param.One(query, "creds_file")
	if err != nil {
		return nil, err
	}
	username, password, err := param.Login(query)
	switch {
	case err != nil:
		return nil, err
	case creds != "" && password != nil:
		return nil, errors.New("creds_file cannot be combined with password_env and password_file")
	}
	config, err := param.TLS(query, false)
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "nats", Host: u.Host, Path: "/" + bucket + "/" + key}).String()
	conn := lease.New(dial(servers, login(username, password, creds), config), hangUp)
	return newSource(name, conn, bucket, key, WithDecoder(decode)), nil
}

// login returns options that read the password for each connection. If that fails, the
// password is empty, and the server refuses the login.
func login(username string, password func() (source.Secret, error), creds string) []nats.Option {
	text := func() string {
		secret, _ := password()
		return secret.Expose()
	}
	switch {
	case creds != "":
		return []nats.Option{nats.UserCredentials(creds)}
	case username != "":
		return []nats.Option{nats.UserInfoHandler(func() (string, string) { return username, text() })}
	case password != nil:
		return []nats.Option{nats.TokenHandler(text)}
	}
	return nil
}
