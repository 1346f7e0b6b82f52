package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"github.com/rollingkeys/rollingkeys/internal/option"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
)

// A Source reads one etcd key. It is a [source.Notifier], safe for concurrent use.
type Source struct {
	name   string
	client *lease.Client[*clientv3.Client]
	key    string
	decode source.Decoder

	mu   sync.Mutex
	last source.Key // what the store held last, under the revision at which it came
}

// An Option changes how the value is read.
type Option func(*Source)

// WithDecoder sets what makes keys of the value, such as [source.Document] or
// [source.PEM]. The default is [source.Plain].
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) {
		if decode != nil {
			s.decode = decode
		}
	}
}

// New returns a source that reads key through client, which must not be nil. The
// key need not exist yet, nor the server be there.
func New(client *clientv3.Client, key string, opts ...Option) *Source {
	return newSource("etcd:"+key, lease.Given(client), key, opts...)
}

func newSource(name string, client *lease.Client[*clientv3.Client], key string, opts ...Option) *Source {
	s := &Source{name: name, client: client, key: key, decode: source.Plain}
	option.Apply(s, opts)
	return s
}

// String returns "etcd:KEY", or the source string it was opened by without the
// values of its parameters but the key.
func (s *Source) String() string { return s.name }

// patience bounds one reading. The client by itself waits for a server that is
// not there for as long as the context lives, and the ring would hear of it late.
const patience = 5 * time.Second

// Read gets the key and decodes it, within ctx and 5 s. The error wraps [source.ErrNoKey] if it does
// not exist, [source.ErrDenied] if the server refuses us, [source.ErrInvalid] if
// the value is none, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	set, err := s.read(ctx)
	if err != nil {
		return source.Set{}, &source.Error{Source: s.name, Err: err}
	}
	return set, nil
}

func (s *Source) read(ctx context.Context) (source.Set, error) {
	client, release, err := s.client.Get(ctx)
	if err != nil {
		return source.Set{}, cause(ctx, err)
	}
	defer release()
	got, err := client.Get(ctx, s.key)
	switch {
	case err != nil:
		err = cause(ctx, err)
		if errors.Is(err, source.ErrDenied) {
			s.client.Renew() // the password may be another by now
		}
		return source.Set{}, err
	case len(got.Kvs) == 0:
		return source.Set{}, fmt.Errorf("%w: it does not exist", source.ErrNoKey)
	}
	set, err := s.decode(got.Kvs[0].Value)
	if err != nil {
		return source.Set{}, err
	}
	if len(set.Keys) == 1 && set.Keys[0].Version == "" {
		set.Keys[0].Version = s.version(set.Keys[0], got.Kvs[0].ModRevision)
	}
	return set, nil
}

// version names the key: the same content keeps its name when it is put again (F16).
func (s *Source) version(key source.Key, revision int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.Version == "" || !s.last.SameContent(key) {
		s.last = key.Clone()
		s.last.Version = strconv.FormatInt(revision, 10)
	}
	return s.last.Version
}

// Notify watches the key and calls changed when it was put or deleted, as
// [source.Notifier] has it. Its errors are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	client, release, err := s.client.Get(ctx)
	if err != nil {
		return &source.Error{Source: s.name, Err: cause(ctx, err)}
	}
	defer release()
	for {
		err := s.watch(ctx, client, changed)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, rpctypes.ErrCompacted):
			continue // what was missed is read when the next watch is armed
		default:
			return &source.Error{Source: s.name, Err: cause(ctx, err)}
		}
	}
}

func (s *Source) watch(ctx context.Context, client *clientv3.Client, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watch on the server too
	// A watcher of our own: the client's keeps its stream if the watch is ended
	// just as it begins (F104).
	watcher := clientv3.NewWatcher(client)
	defer watcher.Close()
	// A watch without a revision begins with what comes after its creation, of
	// which the server tells: F14, the reading that changed asks for is later.
	for got := range watcher.Watch(clientv3.WithRequireLeader(ctx), s.key, clientv3.WithCreatedNotify()) {
		if err := got.Err(); err != nil {
			return err
		}
		if got.Created || len(got.Events) > 0 {
			changed()
		}
	}
	return errors.New("the watch ended")
}

// cause says in our own words what err is about: the server's may be anything (F95).
func cause(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: no answer in time: %w", source.ErrUnavailable, ended)
	}
	for _, denied := range []error{
		rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty, rpctypes.ErrUserNotFound,
		rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrPermissionNotGranted,
	} {
		if errors.Is(rpctypes.Error(err), denied) {
			return fmt.Errorf("%w: %w", source.ErrDenied, denied)
		}
	}
	if errors.Is(err, source.ErrInvalid) || errors.Is(err, source.ErrUnavailable) {
		return err
	}
	code := codes.Unknown
	if e, ok := errors.AsType[rpctypes.EtcdError](rpctypes.Error(err)); ok {
		code = e.Code()
	}
	switch code {
	case codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: %v", source.ErrDenied, code)
	}
	return fmt.Errorf("%w: %v", source.ErrUnavailable, code)
}
