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

func init() { source.Register("etcd", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("want etcd://host:port?key=name")
	}
	endpoints := append([]string{u.Host}, query["endpoint"]...)
	query.Del("endpoint")
	key, err := param.One(query, "key")
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, errors.New("key is missing")
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
		return nil, errors.New("password_env and password_file go with username")
	}
	config, err := param.TLS(query, false)
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "etcd", Host: u.Host, RawQuery: "key=" + url.QueryEscape(key)}).String()
	client := lease.New(dial(endpoints, username, password, config), func(c *clientv3.Client) { _ = c.Close() })
	return newSource(name, client, key, WithDecoder(decode)), nil
}

// connectParams bound the pause between two tries to connect, which gRPC by
// itself lets grow to 2 min: longer than the ring's own back-off.
var connectParams = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 10 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

func dial(endpoints []string, username string, password func() (source.Secret, error), config *tls.Config) func(context.Context) (*clientv3.Client, error) {
	return func(ctx context.Context) (*clientv3.Client, error) {
		c := clientv3.Config{
			Endpoints: slices.Clone(endpoints), TLS: config,
			// A connection that died without a word is noticed within 15 s; the
			// server allows a ping every 5 s.
			DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
			DialTimeout: 5 * time.Second,
			DialOptions: []grpc.DialOption{grpc.WithConnectParams(connectParams)},
			Logger:      zap.NewNop(), // what matters comes back as an error
		}
		if password != nil {
			secret, err := password()
			if err != nil {
				return nil, err
			}
			c.Username, c.Password = username, secret.Expose()
		}
		// New logs in where there is a password. The client's own context is its
		// lifetime, so ctx may end it only until it is there.
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
