package azure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
)

// A Source reads one secret of an Azure Key Vault. It is safe for concurrent use and
// need not be closed.
type Source struct {
	base   store.Source
	values versions.Values
	client *azsecrets.Client
	secret string
}

// An Option changes how a [Source] reads its secret. A nil Option is ignored.
type Option func(*Source)

// New returns a source that reads the named secret in the client's vault. The source switches
// the client's retries off for its calls, since the ring backs off. New makes no call.
func New(client *azsecrets.Client, secret string, opts ...Option) *Source {
	s := &Source{client: client, secret: secret, base: store.Source{
		Name: "azure:///" + secret, Decoder: source.Plain, Explain: explain, RetryAfter: retryAfter,
	}}
	option.Apply(s, opts)
	return s
}

// WithDecoder sets the decoder of a version's value, such as [source.Document] or
// [source.PEM]. The default is [source.Plain], also if decode is nil. If the decoder's set
// is not Complete, the source uses only its first key.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// WithNames reads the key from the named fields of a JSON object. It ignores other
// fields. If the name of the ID or the passphrase is empty, the source does not read that
// field. If the name of the secret is empty, it is "secret". The field of the passphrase may
// be missing, the other fields may not.
func WithNames(id, secret, passphrase string) Option {
	return WithDecoder(pair.Names{ID: id, Secret: secret, Passphrase: passphrase}.JSON)
}

// String returns "azure://VAULT/SECRET" for a source that was opened from a string. For a
// source of [New] it returns "azure:///SECRET", since a client does not tell the name of its
// vault.
func (s *Source) String() string { return s.base.Name }

// maxVersions is how many enabled versions the source lists at most. Key Vault keeps every
// version for ever, and old versions are seldom disabled.
const maxVersions = 10

// Read lists the enabled versions, newest first. It makes one call for the properties of each
// 25 versions, and one GetSecret call for each version that it has not read before. It
// returns when ctx ends.
//
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if there is no secret or no
// enabled version, [source.ErrDenied] if Azure refuses the login or the request,
// [source.ErrInvalid] if the request or the value is not valid, and [source.ErrUnavailable]
// otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	return s.base.Read(policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1}), s.read)
}

func (s *Source) read(ctx context.Context) (source.Set, error) {
	if s.client == nil || s.secret == "" {
		return source.Set{}, fmt.Errorf("%w: the client is nil, or the secret's name is empty", source.ErrInvalid)
	}
	list, err := s.list(ctx)
	if err != nil {
		return source.Set{}, err
	}
	return s.values.Set(list, s.base.Decoder, func(key *source.Key) ([]byte, error) { return s.fetch(ctx, key) })
}

func (s *Source) list(ctx context.Context) (list []versions.Listed, err error) {
	for pages := s.client.NewListSecretPropertiesVersionsPager(s.secret, nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Value {
			if v == nil || v.ID == nil || v.Attributes == nil || v.Attributes.Enabled == nil || !*v.Attributes.Enabled { // F92
				continue
			}
			list = append(list, versions.Listed{ID: v.ID.Version(), Key: source.Key{
				Version: v.ID.Version(), CreatedAt: date(v.Attributes.Created),
				NotBefore: date(v.Attributes.NotBefore), ExpiresAt: date(v.Attributes.Expires),
			}})
		}
	}
	// The service lists versions in no order, and its dates have whole seconds.
	slices.SortFunc(list, func(a, b versions.Listed) int { return b.Key.CreatedAt.Compare(a.Key.CreatedAt) })
	if len(list) > 1 && list[0].Key.CreatedAt.Equal(list[1].Key.CreatedAt) {
		newest, err := s.client.GetSecret(ctx, s.secret, "", nil)
		if err != nil && status(err) != 403 { // 403: the newest version is disabled
			return nil, err
		}
		if i := slices.IndexFunc(list, func(l versions.Listed) bool { return newest.ID != nil && l.ID == newest.ID.Version() }); i > 0 {
			l := list[i]
			list = slices.Insert(slices.Delete(list, i, i+1), 0, l)
		}
	}
	return list[:min(len(list), maxVersions)], nil
}

func (s *Source) fetch(ctx context.Context, key *source.Key) ([]byte, error) {
	v, err := s.client.GetSecret(ctx, s.secret, key.Version, nil)
	switch {
	case err != nil:
		return nil, err
	case v.ID == nil || v.ID.Version() != key.Version:
		return nil, fmt.Errorf("%w: the response is for another version", source.ErrUnavailable)
	case v.Value == nil:
		return nil, nil
	}
	return []byte(*v.Value), nil
}

func date(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
