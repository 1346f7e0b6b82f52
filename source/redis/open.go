package redis

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("redis", open, "key", "channel", "id", "secret", "passphrase", "format", "prefix", "username", "password_env", "password_file", "tls", "ca_file", "cert_file", "key_file")
	source.Register("rediss", open, "key", "channel", "id", "secret", "passphrase", "format", "prefix", "username", "password_env", "password_file", "tls", "ca_file", "cert_file", "key_file")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if u.Host == "" {
		return nil, errors.New("want redis://HOST:PORT/DATABASE?key=NAME")
	}
	// The client and the ring retry a command, so each try needs only one dial.
	o := redis.Options{Addr: u.Host, ContextTimeoutEnabled: true, DialerRetries: 1}
	if u.Port() == "" {
		o.Addr = strings.TrimSuffix(u.Host, ":") + ":6379"
	}
	if text := strings.TrimPrefix(u.Path, "/"); text != "" {
		db, err := strconv.Atoi(text)
		if err != nil || db < 0 {
			return nil, errors.New("the path must be the number of a database")
		}
		o.DB = db
	}
	values, err := param.Some(query, "key", "channel")
	if err != nil {
		return nil, err
	}
	if values["key"] == "" {
		return nil, errors.New("the parameter key is missing")
	}
	opts := []Option{WithChannel(values["channel"])}
	names, hash, err := pair.Params(query)
	if err != nil {
		return nil, err
	}
	if hash {
		opts = append(opts, WithNames(names.ID, names.Secret, names.Passphrase))
	}
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	username, password, err := param.Login(query)
	if err != nil {
		return nil, err
	}
	if o.TLSConfig, err = param.TLS(query, u.Scheme == "rediss"); err != nil {
		return nil, err
	}
	if o.TLSConfig != nil && u.Scheme != "rediss" {
		return nil, errors.New("tls, ca_file, cert_file and key_file need the scheme rediss")
	}
	if password != nil {
		o.CredentialsProviderContext = func(context.Context) (string, string, error) {
			secret, err := password()
			return username, secret.Expose(), err
		}
	}
	open := func(context.Context) (*opened, error) {
		o := o // the client changes its options
		life, end := context.WithCancel(context.Background())
		o.Dialer = dialer(life, o.TLSConfig)
		return &opened{Client: redis.NewClient(&o), end: end}, nil
	}
	name := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: "key=" + url.QueryEscape(values["key"])}).String()
	return newSource(name, lease.New(open, (*opened).close), values["key"], append(opts, WithDecoder(decode))...), nil
}
