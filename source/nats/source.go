package nats

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// A Source reads one key of a key-value bucket. It is a [source.Notifier] and safe for
// concurrent use.
type Source struct {
	base        store.Leased[*nats.Conn]
	bucket, key string

	mu       sync.Mutex
	heard    uint64    // the newest revision that a watch has seen
	heardAt  time.Time // the time of that revision
	revision uint64    // the newest revision of the last reading
	created  time.Time
	set      source.Set // the set of the last reading
	marker   uint64     // the revision of the newest marker that a watch has seen
	revokes  bool       // the marker revokes keys, and no set since then has left them out
}

// An Option changes how a [Source] reads the bucket. A nil Option is ignored.
type Option func(*Source)

// WithDecoder sets the decoder of a value, such as [source.Document] or [source.PEM]. The
// default is [source.Plain], also if decode is nil.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// New returns a source that reads key in bucket with nc, which must not be nil. New makes no
// request: the bucket and the key need not exist yet.
func New(nc *nats.Conn, bucket, key string, opts ...Option) *Source {
	return newSource("nats:"+bucket+"/"+key, lease.Given(nc), bucket, key, opts...)
}

func newSource(name string, conn *lease.Client[*nats.Conn], bucket, key string, opts ...Option) *Source {
	s := &Source{bucket: bucket, key: key, base: store.Leased[*nats.Conn]{Client: conn, Source: store.Source{
		Name: name, Decoder: source.Plain, Patience: store.Patience, Explain: explain,
	}}}
	option.Apply(s, opts)
	return s
}

// String returns "nats:BUCKET/KEY". For a source that was opened from a string, it returns
// the string without its parameters.
func (s *Source) String() string { return s.base.Name }

// Read reads the key and, if it has changed, its history. It returns when ctx ends, and after
// 5 s at most. An error is a [*source.Error]. It wraps [source.ErrNoKey] if the bucket or the
// key does not exist, [source.ErrDenied] if the server refuses the login or the request,
// [source.ErrInvalid] if the value is no API key, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context, nc *nats.Conn) (source.Set, error) {
	kv, err := s.bucketOf(ctx, nc)
	if err != nil {
		return source.Set{}, blame(nc, err)
	}
	set, err := s.readFrom(ctx, kv)
	return set, blame(nc, err)
}

func (s *Source) readFrom(ctx context.Context, kv jetstream.KeyValue) (source.Set, error) {
	entry, err := s.newest(ctx, kv)
	if err != nil {
		return source.Set{}, err
	}
	s.mu.Lock()
	held := s.revision == entry.Revision() && s.created.Equal(entry.Created()) && len(s.set.Keys) > 0
	s.mu.Unlock()
	var entries []jetstream.KeyValueEntry
	if !held {
		if entries, err = history(ctx, kv, s.key); err != nil {
			return source.Set{}, err
		}
		if entries[0].Revision() < entry.Revision() {
			return source.Set{}, errBehind
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !held {
		set, err := s.list(entries)
		if err != nil {
			return source.Set{}, err
		}
		s.revision, s.created, s.set = entries[0].Revision(), entries[0].Created(), set
		s.revokes = s.revokes && s.revision < s.marker
	}
	return decode.Clone(s.set), nil
}

func (s *Source) bucketOf(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	if !nc.IsConnected() {
		return nil, nats.ErrDisconnected // a request would wait until the client has reconnected
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return js.KeyValue(ctx, s.bucket)
}
