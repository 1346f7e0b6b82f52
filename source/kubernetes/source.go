package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/rollingkeys/rollingkeys/internal/option"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

// patience bounds one reading: the client by itself has no timeout.
const patience = 5 * time.Second

// A Source reads one Secret. It is a [source.Notifier], safe for concurrent use.
type Source struct {
	client          *lease.Client[typedcorev1.SecretsGetter]
	namespace, name string
	decode          func(map[string][]byte) (source.Set, error)

	mu   sync.Mutex
	last source.Key // what the Secret held last, under the resourceVersion at which it came
}

// An Option changes which of the Secret's data are read, and how.
type Option func(*Source)

// WithNames sets the names of the fields that hold the id, the secret and the
// passphrase; the default is "api-key", "api-secret" and "passphrase". An empty
// id or passphrase is not looked for, an empty secret leaves the default. Only
// the passphrase may be missing.
func WithNames(id, secret, passphrase string) Option {
	names := pair.Names{ID: id, Secret: cmp.Or(secret, "api-secret"), Passphrase: passphrase}
	return func(s *Source) { s.decode = names.Key }
}

// WithField reads the one field of that name with decode, such as
// [source.Document]; nil means [source.Plain].
func WithField(name string, decode source.Decoder) Option {
	if decode == nil {
		decode = source.Plain
	}
	return func(s *Source) {
		s.decode = func(data map[string][]byte) (source.Set, error) {
			if len(data[name]) == 0 {
				return source.Set{}, fmt.Errorf("%w: field %q is missing or empty", source.ErrInvalid, name)
			}
			return decode(data[name])
		}
	}
}

// New returns a source that reads the Secret of that name through client, such
// as a clientset's CoreV1(), which must not be nil. The Secret need not exist yet.
func New(client typedcorev1.SecretsGetter, namespace, name string, opts ...Option) *Source {
	return newSource(lease.Given(client), namespace, name, opts...)
}

func newSource(client *lease.Client[typedcorev1.SecretsGetter], namespace, name string, opts ...Option) *Source {
	s := &Source{client: client, namespace: namespace, name: name}
	option.Apply(s, append([]Option{WithNames("api-key", "", "passphrase")}, opts...))
	return s
}

// String returns "kubernetes:///NAMESPACE/NAME".
func (s *Source) String() string { return "kubernetes:///" + s.namespace + "/" + s.name }

// Read gets the Secret and decodes it, within ctx and 5 s. The error wraps
// [source.ErrNoKey] if the Secret does not exist, [source.ErrDenied] if the server
// refuses us, [source.ErrInvalid] if its data are no key, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, release, err := s.client.Get(ctx)
	if err != nil {
		return source.Set{}, s.fail(ctx, err)
	}
	defer release()
	// Without a resourceVersion this is what the store has, not what a cache
	// remembers: never older than the event that asked for it.
	secret, err := client.Secrets(s.namespace).Get(ctx, s.name, metav1.GetOptions{})
	if err != nil {
		return source.Set{}, s.fail(ctx, err)
	}
	set, err := s.list(secret)
	if err != nil {
		return source.Set{}, &source.Error{Source: s.String(), Err: err}
	}
	return set, nil
}

func (s *Source) list(secret *corev1.Secret) (source.Set, error) {
	set, err := s.decode(secret.Data)
	if err != nil {
		return source.Set{}, err
	}
	if len(set.Keys) == 1 && set.Keys[0].Version == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.last.Version == "" || !s.last.SameContent(set.Keys[0]) {
			s.last = set.Keys[0].Clone()
			s.last.Version = secret.ResourceVersion
		}
		set.Keys[0].Version = s.last.Version
	}
	return set, nil
}

// fail says in our own words what err is about: the server's may be anything (F95).
func (s *Source) fail(ctx context.Context, err error) error {
	failed := &source.Error{Source: s.String()}
	switch {
	case errors.Is(err, source.ErrUnavailable):
		failed.Err = err // our own
	case apierrors.IsNotFound(err):
		failed.Err = fmt.Errorf("%w: the Secret does not exist", source.ErrNoKey)
	case apierrors.IsUnauthorized(err):
		failed.Err = fmt.Errorf("%w: 401 Unauthorized", source.ErrDenied)
	case apierrors.IsForbidden(err):
		failed.Err = fmt.Errorf("%w: 403 Forbidden", source.ErrDenied)
	case ctx.Err() != nil:
		failed.Err = fmt.Errorf("%w: no answer in time: %w", source.ErrUnavailable, ctx.Err())
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		failed.Err = fmt.Errorf("%w: the API server answers with an error", source.ErrUnavailable)
	default:
		failed.Err = fmt.Errorf("%w: no answer from the API server", source.ErrUnavailable)
	}
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		failed.RetryAfter = time.Duration(seconds) * time.Second
	}
	return failed
}
