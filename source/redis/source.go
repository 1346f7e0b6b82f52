package redis

import (
	"cmp"
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// A Source reads one Redis key. It is a [source.Notifier] and safe for concurrent use.
type Source struct {
	base    store.Leased[*opened]
	key     string
	channel string
	fields  *pair.Names // nil: the key is a string
}

// An Option changes how a [Source] reads the key. A nil Option is ignored.
type Option func(*Source)

// WithDecoder sets the decoder of a string, such as [source.Document] or [source.PEM]. The
// default is [source.Plain], also if decode is nil. With [WithNames] the decoder is not used.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// WithNames says that the key is a hash, and sets the names of the fields that contain the
// ID, the secret and the passphrase. If the name of the ID or the passphrase is empty, the
// source does not use that field. If the name of the secret is empty, it is "secret". The
// field of the passphrase may be missing, the other fields may not. By default the key is a
// string.
func WithNames(id, secret, passphrase string) Option {
	names := &pair.Names{ID: id, Secret: cmp.Or(secret, "secret"), Passphrase: passphrase}
	return func(s *Source) { s.fields = names }
}

// WithChannel names a channel on which any message makes the ring read again. The source
// heeds the key's keyspace events as well, if the server sends them. The default is no
// channel.
func WithChannel(name string) Option { return func(s *Source) { s.channel = name } }

// New returns a source that reads key with client, which must not be nil. New makes no call:
// the key need not exist yet, and the server need not run yet.
func New(client *redis.Client, key string, opts ...Option) *Source {
	return newSource("redis:"+key, lease.Given(&opened{Client: client}), key, opts...)
}

func newSource(name string, client *lease.Client[*opened], key string, opts ...Option) *Source {
	s := &Source{key: key, base: store.Leased[*opened]{Client: client, Source: store.Source{
		Name: name, Decoder: source.Plain, Patience: store.Patience, Explain: explain,
	}}}
	option.Apply(s, opts)
	return s
}

// String returns "redis:KEY". For a source that was opened from a string, it returns the
// string with no parameter except key.
func (s *Source) String() string { return s.base.Name }

// Read reads the key and decodes its value. It returns when ctx ends, and after 5 s at most.
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if the key does not exist or is
// empty, [source.ErrDenied] if the server refuses the login or the command,
// [source.ErrInvalid] if the value is no API key, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	return s.base.Read(ctx, func(ctx context.Context, client *opened) (source.Set, error) {
		// F78: the client heeds its own timeouts and perhaps ctx's deadline, but not its
		// cancellation. A call that goes on ends at those timeouts, 5 s by default, or when
		// the client is closed.
		return await.Call(ctx, func() (source.Set, error) { return s.read(ctx, client.Client) })
	})
}

func (s *Source) read(ctx context.Context, client *redis.Client) (source.Set, error) {
	if s.fields != nil {
		return s.readFields(ctx, client)
	}
	// F21: a value may have 512 MB, so read a part of it. If the key is missing, the part is
	// empty.
	data, err := client.GetRange(ctx, s.key, 0, source.MaxSize).Bytes()
	switch {
	case err != nil:
		return source.Set{}, err
	case len(data) == 0:
		return source.Set{}, fmt.Errorf("%w: the Redis key does not exist or is empty", source.ErrNoKey)
	}
	return s.base.Decode(data)
}

// readFields reads the fields of a hash with one command and makes a key from them (F26).
func (s *Source) readFields(ctx context.Context, client *redis.Client) (source.Set, error) {
	names := []string{s.fields.ID, s.fields.Secret, s.fields.Passphrase}
	values, err := client.HMGet(ctx, s.key, names...).Result()
	if err != nil {
		return source.Set{}, err
	}
	found := make(map[string][]byte)
	for i, value := range values {
		if text, ok := value.(string); ok {
			found[names[i]] = []byte(text)
		}
	}
	if len(found) == 0 {
		return source.Set{}, fmt.Errorf("%w: the Redis key does not exist, or has none of the fields", source.ErrNoKey)
	}
	return s.fields.Key(found)
}
