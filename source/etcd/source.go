package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// A Source reads one etcd key. It is a [source.Notifier] and safe for concurrent use.
type Source struct {
	base  store.Leased[*clientv3.Client]
	key   string
	names store.Names
}

// An Option changes how a [Source] reads the value. A nil Option is ignored.
type Option func(*Source)

// WithDecoder sets the decoder of the value, such as [source.Document] or [source.PEM]. The
// default is [source.Plain], also if decode is nil.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// New returns a source that reads key with client, which must not be nil. New makes no call:
// the key need not exist yet, and the server need not run yet.
func New(client *clientv3.Client, key string, opts ...Option) *Source {
	return newSource("etcd:"+key, lease.Given(client), key, opts...)
}

func newSource(name string, client *lease.Client[*clientv3.Client], key string, opts ...Option) *Source {
	s := &Source{key: key, base: store.Leased[*clientv3.Client]{Client: client, Source: store.Source{
		Name: name, Decoder: source.Plain, Patience: store.Patience, Explain: explain,
	}}}
	option.Apply(s, opts)
	return s
}

// String returns "etcd:KEY". For a source that was opened from a string, it returns the
// string with no parameter except key.
func (s *Source) String() string { return s.base.Name }

// Read reads the key and decodes its value. It returns when ctx ends, and after 5 s at most.
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if the key does not exist,
// [source.ErrDenied] if the server refuses the login or the request, [source.ErrInvalid] if
// the value is no API key, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context, client *clientv3.Client) (source.Set, error) {
	got, err := client.Get(ctx, s.key)
	switch {
	case err != nil:
		if errors.Is(explain(ctx, err), source.ErrDenied) {
			s.base.Client.Renew() // the password may have changed
		}
		return source.Set{}, err
	case len(got.Kvs) == 0:
		return source.Set{}, fmt.Errorf("%w: the etcd key does not exist", source.ErrNoKey)
	}
	set, err := s.base.Decode(got.Kvs[0].Value)
	if err != nil {
		return source.Set{}, err
	}
	s.names.Name(set, strconv.FormatInt(got.Kvs[0].ModRevision, 10))
	return set, nil
}
