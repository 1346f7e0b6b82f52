package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("redis", open)
	source.Register("rediss", open)
}

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	src, err := parse(u, query)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(u.String()), Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return src, nil
}

func parse(u *url.URL, query url.Values) (*Source, error) {
	if u.Host == "" {
		return nil, errors.New("want redis://host:port/db?key=name")
	}
	o := redis.Options{Addr: u.Host, ContextTimeoutEnabled: true}
	if u.Port() == "" {
		o.Addr = strings.TrimSuffix(u.Host, ":") + ":6379"
	}
	if text := strings.TrimPrefix(u.Path, "/"); text != "" {
		db, err := strconv.Atoi(text)
		if err != nil || db < 0 {
			return nil, errors.New("the path is not a database's number")
		}
		o.DB = db
	}
	values := make(map[string]string)
	hash := false
	for _, name := range []string{"key", "channel", "id", "secret", "passphrase"} {
		hash = hash || query.Has(name) && name != "key" && name != "channel"
		var err error
		if values[name], err = param.One(query, name); err != nil {
			return nil, err
		}
	}
	if values["key"] == "" {
		return nil, errors.New("key is missing")
	}
	opts := []Option{WithChannel(values["channel"])}
	if hash {
		if query.Has("format") {
			return nil, errors.New("format is for a string, not for a hash")
		}
		opts = append(opts, WithFields(values["id"], values["secret"], values["passphrase"]))
	}
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	username, password, err := param.Login(query)
	if err != nil {
		return nil, err
	}
	if username != "" && password == nil {
		return nil, errors.New("username without password_env or password_file")
	}
	if o.TLSConfig, err = param.TLS(query, u.Scheme == "rediss"); err != nil {
		return nil, err
	}
	if o.TLSConfig != nil && u.Scheme != "rediss" {
		return nil, errors.New("ca_file, cert_file and key_file are for rediss")
	}
	if password != nil {
		o.CredentialsProviderContext = func(context.Context) (string, string, error) {
			secret, err := password()
			return username, secret.Expose(), err
		}
	}
	dial := func(context.Context) (*redis.Client, error) {
		o := o // the client changes its options
		return redis.NewClient(&o), nil
	}
	name := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: "key=" + url.QueryEscape(values["key"])}).String()
	client := lease.New(dial, func(c *redis.Client) { _ = c.Close() })
	return newSource(name, client, values["key"], append(opts, WithDecoder(decode))...), nil
}
