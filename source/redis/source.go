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

// A Source reads one Redis key. It is a [source.Notifier], safe for concurrent use.
type Source struct {
	base    store.Leased[*opened]
	key     string
	channel string
	fields  *pair.Names // nil: the key is a string
}

// An Option changes how the key is read.
type Option func(*Source)

// WithDecoder sets what makes keys of a string, such as [source.Document] or
// [source.PEM]. The default is [source.Plain].
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// WithNames says that the key is a hash, and sets the names of the fields that
// hold the id, the secret and the passphrase. An empty id or passphrase is not
// looked for, an empty secret means "secret". Only the passphrase may be missing.
func WithNames(id, secret, passphrase string) Option {
	names := &pair.Names{ID: id, Secret: cmp.Or(secret, "secret"), Passphrase: passphrase}
	return func(s *Source) { s.fields = names }
}

// WithChannel names a channel on which any message means: read again. The key's
// keyspace events are heeded as well, if the server sends them.
func WithChannel(name string) Option { return func(s *Source) { s.channel = name } }

// New returns a source that reads key through client, which must not be nil. The
// key need not exist yet, nor the server be there.
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

// String returns "redis:KEY", or the source string it was opened by without its
// parameters but the key.
func (s *Source) String() string { return s.base.Name }

// Read gets the key and decodes it, within ctx and 5 s. The error wraps
// [source.ErrNoKey] if it does not exist or is empty, [source.ErrDenied] if the
// server refuses us, [source.ErrInvalid] if the value is none, and
// [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	return s.base.Read(ctx, func(ctx context.Context, client *opened) (source.Set, error) {
		// F78: the client heeds its own timeouts, and of ctx the deadline at most. What is
		// left behind here ends with those, 5 s by default, or with the client.
		return await.Call(ctx, func() (source.Set, error) { return s.read(ctx, client.Client) })
	})
}

func (s *Source) read(ctx context.Context, client *redis.Client) (source.Set, error) {
	if s.fields != nil {
		return s.readFields(ctx, client)
	}
	// F21: a value may have 512 MB. Of a key that is missing the range is empty.
	data, err := client.GetRange(ctx, s.key, 0, source.MaxSize).Bytes()
	switch {
	case err != nil:
		return source.Set{}, err
	case len(data) == 0:
		return source.Set{}, fmt.Errorf("%w: it does not exist, or is empty", source.ErrNoKey)
	}
	return s.base.Decode(data)
}

// readFields makes one key of a hash's fields, read together (F26).
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
		return source.Set{}, fmt.Errorf("%w: it does not exist, or has none of the fields", source.ErrNoKey)
	}
	return s.fields.Key(found)
}
