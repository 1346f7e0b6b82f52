package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/internal/option"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
)

// defaultOverlap is the ring's.
const defaultOverlap = 24 * time.Hour

// patience bounds one reading: a request that is not permitted is never answered.
const patience = 5 * time.Second

// A Source reads one key of a key-value bucket. It is a [source.Notifier], safe
// for concurrent use.
type Source struct {
	name        string
	conn        *lease.Client[*nats.Conn]
	bucket, key string
	decode      source.Decoder
	overlap     time.Duration

	mu       sync.Mutex
	heard    uint64    // the newest revision that a watch told of
	heardAt  time.Time // when that was made
	revision uint64    // of what was read last
	created  time.Time
	set      source.Set // what it said
	marker   uint64     // the newest one that a watch told of
	revokes  bool       // no set without the keys before it was listed since
}

// An Option changes how the bucket is read.
type Option func(*Source)

// WithDecoder sets what makes keys of a value, such as [source.Document] or
// [source.PEM]. The default is [source.Plain].
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) {
		if decode != nil {
			s.decode = decode
		}
	}
}

// WithOverlap sets for how long a key out of the history may be used after it
// was replaced. Default 24 h; 0 means not at all. Give ring.WithOverlap the
// same: that is for what the history has lost.
func WithOverlap(d time.Duration) Option { return func(s *Source) { s.overlap = max(d, 0) } }

// New returns a source that reads key in bucket through nc, which must not be
// nil. Neither need exist yet.
func New(nc *nats.Conn, bucket, key string, opts ...Option) *Source {
	return newSource("nats:"+bucket+"/"+key, lease.Given(nc), bucket, key, opts...)
}

func newSource(name string, conn *lease.Client[*nats.Conn], bucket, key string, opts ...Option) *Source {
	s := &Source{name: name, conn: conn, bucket: bucket, key: key, decode: source.Plain, overlap: defaultOverlap}
	option.Apply(s, opts)
	return s
}

// String returns "nats:BUCKET/KEY", or the source string it was opened by
// without its parameters.
func (s *Source) String() string { return s.name }

// Read reads the key and, if it has changed, its history, within ctx and 5 s.
// The error wraps [source.ErrNoKey] if key or bucket do not exist,
// [source.ErrDenied] if the server refuses us, [source.ErrInvalid] if the value
// is none, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	nc, release, err := s.conn.Get(ctx)
	if err != nil {
		return source.Set{}, s.fail(ctx, nil, err)
	}
	defer releaseWith(ctx, release)()
	set, err := s.read(ctx, nc)
	if err != nil {
		return source.Set{}, s.fail(ctx, nc, err)
	}
	return set, nil
}

// releaseWith returns release, and calls it already when ctx ends: while the
// client connects again, it holds a lock that most of its methods take, for 5 s
// where the server says nothing, and only its end ends that (F78, F106).
func releaseWith(ctx context.Context, release func()) func() {
	release = sync.OnceFunc(release)
	stop := context.AfterFunc(ctx, release)
	return func() { stop(); release() }
}

func (s *Source) read(ctx context.Context, nc *nats.Conn) (source.Set, error) {
	kv, err := s.open(ctx, nc)
	if err != nil {
		return source.Set{}, err
	}
	return s.readFrom(ctx, kv)
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
	now := time.Now()
	s.set.Keys = slices.DeleteFunc(s.set.Keys, func(k source.Key) bool { // F102
		return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
	})
	set := s.set
	set.Keys = nil
	for _, k := range s.set.Keys {
		set.Keys = append(set.Keys, k.Clone())
	}
	set.Revoked = slices.Clone(set.Revoked)
	return set, nil
}

func (s *Source) open(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	if !nc.IsConnected() {
		return nil, nats.ErrDisconnected // a request would wait for the connection
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return js.KeyValue(ctx, s.bucket)
}

// Notify watches the key and calls changed when it was put, deleted or purged,
// and when a lost connection is back, as [source.Notifier] has it. Its errors
// are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	nc, release, err := s.conn.Get(ctx)
	if err != nil {
		return s.fail(ctx, nil, err)
	}
	defer releaseWith(ctx, release)()
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	for ctx.Err() == nil {
		if err := s.watch(ctx, nc, status, changed); err != nil && ctx.Err() == nil {
			return s.fail(ctx, nc, err)
		}
	}
	return nil
}

// watch returns nil when the connection was lost and is back.
func (s *Source) watch(ctx context.Context, nc *nats.Conn, status <-chan nats.Status, changed func()) error {
	arming, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	kv, err := s.open(arming, nc)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, s.key, jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	changed() // F14: only now that the watch is armed
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return errors.New("the watch ended")
			}
			if entry != nil {
				s.hear(entry)
				changed()
			}
		case now := <-status:
			if now == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// fail says in our own words what err is about: the server's may be anything (F95).
func (s *Source) fail(ctx context.Context, nc *nats.Conn, err error) error {
	refused := func(err error) bool {
		for _, kind := range []error{
			nats.ErrPermissionViolation, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		} {
			if errors.Is(err, kind) {
				return true
			}
		}
		return false
	}
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrDisconnected)
	switch {
	case errors.Is(err, source.ErrInvalid), errors.Is(err, source.ErrNoKey), errors.Is(err, source.ErrUnavailable):
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		err = fmt.Errorf("%w: the key does not exist", source.ErrNoKey)
	case errors.Is(err, jetstream.ErrBucketNotFound):
		err = fmt.Errorf("%w: the bucket does not exist", source.ErrNoKey)
	case errors.Is(err, jetstream.ErrInvalidKey), errors.Is(err, jetstream.ErrInvalidBucketName), errors.Is(err, jetstream.ErrBadBucket):
		err = fmt.Errorf("%w: no such bucket or key can be", source.ErrInvalid)
	case refused(err), late && nc != nil && refused(nc.LastError()):
		err = fmt.Errorf("%w: not permitted, or the login was refused", source.ErrDenied)
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: no answer in time: %w", source.ErrUnavailable, ctx.Err())
	default:
		err = fmt.Errorf("%w: no connection, or no answer from JetStream", source.ErrUnavailable)
	}
	return &source.Error{Source: s.name, Err: err}
}
