package kubernetes

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// A Source reads one Secret. It is a [source.Notifier] and safe for concurrent use.
type Source struct {
	base            store.Leased[typedcorev1.SecretsGetter]
	namespace, name string
	decode          func(map[string][]byte) (source.Set, error)
	names           store.Names
}

// An Option changes which of the Secret's fields a [Source] reads, and how. A nil Option is
// ignored.
type Option func(*Source)

// WithNames sets the names of the fields that contain the ID, the secret and the passphrase.
// The default is "api-key", "api-secret" and "passphrase". If the name of the ID or the
// passphrase is empty, the source does not read that field. If the name of the secret is
// empty, it is "api-secret". The field of the passphrase may be missing, the other fields may
// not.
func WithNames(id, secret, passphrase string) Option {
	names := pair.Names{ID: id, Secret: cmp.Or(secret, "api-secret"), Passphrase: passphrase}
	return func(s *Source) { s.decode = names.Key }
}

// WithField makes the source read only the field with that name, and decode it with decoder,
// such as [source.Document]. If decoder is nil, it is [source.Plain].
func WithField(name string, decoder source.Decoder) Option {
	if decoder == nil {
		decoder = source.Plain
	}
	return func(s *Source) {
		s.decode = func(data map[string][]byte) (source.Set, error) {
			if len(data[name]) == 0 {
				return source.Set{}, fmt.Errorf("%w: field %q is missing or empty", source.ErrInvalid, name)
			}
			return decode.Set(decoder, data[name])
		}
	}
}

// New returns a source that reads the Secret with that name with client, such as a
// clientset's CoreV1(). client must not be nil. New makes no request: the Secret need not
// exist yet.
func New(client typedcorev1.SecretsGetter, namespace, name string, opts ...Option) *Source {
	return newSource(lease.Given(client), namespace, name, opts...)
}

func newSource(client *lease.Client[typedcorev1.SecretsGetter], namespace, name string, opts ...Option) *Source {
	s := &Source{namespace: namespace, name: name, base: store.Leased[typedcorev1.SecretsGetter]{Client: client, Source: store.Source{
		Name: "kubernetes:///" + namespace + "/" + name, Patience: store.Patience, Explain: explain, RetryAfter: retryAfter,
	}}}
	option.Apply(s, append([]Option{WithNames("api-key", "", "passphrase")}, opts...))
	return s
}

// String returns "kubernetes:///NAMESPACE/NAME".
func (s *Source) String() string { return s.base.Name }

// Read reads the Secret and decodes its data. It returns when ctx ends, and after 5 s at
// most. An error is a [*source.Error]. It wraps [source.ErrNoKey] if the Secret does not
// exist, [source.ErrDenied] if the server refuses the credentials or the request,
// [source.ErrInvalid] if the data is no API key, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context, client typedcorev1.SecretsGetter) (source.Set, error) {
	// Without a resourceVersion the API server reads from its store and not from a cache, so
	// the Secret is never older than the event that caused this reading.
	secret, err := client.Secrets(s.namespace).Get(ctx, s.name, metav1.GetOptions{})
	if err != nil {
		return source.Set{}, err
	}
	set, err := s.decode(secret.Data)
	if err != nil {
		return source.Set{}, err
	}
	s.names.Name(set, secret.ResourceVersion)
	return set, nil
}
