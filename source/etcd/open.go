package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("etcd", open, "key", "endpoint", "format", "prefix", "username", "password_env", "password_file", "tls", "ca_file", "cert_file", "key_file")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("want etcd://HOST:PORT?key=NAME")
	}
	endpoints := append([]string{u.Host}, query["endpoint"]...)
	query.Del("endpoint")
	key, err := param.One(query, "key")
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, errors.New("the parameter key is missing")
	}
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	username, password, err := param.Login(query)
	if err != nil {
		return nil, err
	}
	if username == "" && password != nil {
		return nil, errors.New("password_env and password_file need username")
	}
	config, err := param.TLS(query, false)
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "etcd", Host: u.Host, RawQuery: "key=" + url.QueryEscape(key)}).String()
	client := lease.New(dial(endpoints, username, password, config), func(c *clientv3.Client) { _ = c.Close() })
	return newSource(name, client, key, WithDecoder(decode)), nil
}

// connectParams limit the pause between two tries to connect. By default it grows to 2 min,
// which is longer than the ring's back-off.
var connectParams = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 10 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

func dial(endpoints []string, username string, password func() (source.Secret, error), config *tls.Config) func(context.Context) (*clientv3.Client, error) {
	return func(ctx context.Context) (*clientv3.Client, error) {
		c := clientv3.Config{
			Endpoints: slices.Clone(endpoints), TLS: config,
			// These notice within 15 s that a connection broke without an error. The server
			// allows a ping every 5 s.
			DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
			DialTimeout: 5 * time.Second,
			DialOptions: []grpc.DialOption{grpc.WithConnectParams(connectParams)},
			Logger:      zap.NewNop(), // errors are returned instead
		}
		if password != nil {
			secret, err := password()
			if err != nil {
				return nil, err
			}
			c.Username, c.Password = username, secret.Expose()
		}
		// clientv3.New logs in if there is a password. The context in its configuration ends the
		// client, so ctx may end that context only until New returns.
		life, end := context.WithCancel(context.Background())
		c.Context = life
		stop := context.AfterFunc(ctx, end)
		client, err := clientv3.New(c)
		if stopped := stop(); err == nil && !stopped {
			_ = client.Close()
			err = ctx.Err()
		}
		if err != nil {
			end()
			return nil, err
		}
		return client, nil
	}
}
