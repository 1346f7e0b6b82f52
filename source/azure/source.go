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

// A Source reads one secret of an Azure Key Vault. It is safe for concurrent
// use and has nothing to close.
type Source struct {
	base   store.Source
	values versions.Values
	client *azsecrets.Client
	secret string
}

// An Option changes how a secret is read.
type Option func(*Source)

// New returns a source that reads the named secret of the client's vault. The
// client's own retries are switched off for the source's calls, since the ring
// backs off for all sources alike.
func New(client *azsecrets.Client, secret string, opts ...Option) *Source {
	s := &Source{client: client, secret: secret, base: store.Source{
		Name: "azure:///" + secret, Decoder: source.Plain, Explain: explain, RetryAfter: retryAfter,
	}}
	option.Apply(s, opts)
	return s
}

// WithDecoder sets what makes a key of a version's value, such as
// [source.Document] or [source.PEM]. The default is [source.Plain]. Of a decoder
// whose set is not Complete the first key is taken.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// WithNames takes the key out of the named fields of a JSON object. An empty
// id or passphrase is not looked for, an empty secret stands for "secret". Only
// the passphrase may be missing; other fields are ignored.
func WithNames(id, secret, passphrase string) Option {
	return WithDecoder(pair.Names{ID: id, Secret: secret, Passphrase: passphrase}.JSON)
}

// String returns "azure://VAULT/SECRET" for a source that was opened from a
// string, else "azure:///SECRET": a client does not say which vault is its.
func (s *Source) String() string { return s.base.Name }

// maxVersions is how many enabled versions are listed at most. Key Vault keeps
// every version for ever, and few disable the old ones.
const maxVersions = 10

// Read lists the enabled versions, newest first. It lists their properties, 25 a
// call, and makes one GetSecret call for each version that it has not read
// before. Errors are a [*source.Error].
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	return s.base.Read(policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1}), s.read)
}

func (s *Source) read(ctx context.Context) (source.Set, error) {
	if s.client == nil || s.secret == "" {
		return source.Set{}, fmt.Errorf("%w: no client, or no name", source.ErrInvalid)
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
		if err != nil && status(err) != 403 { // it may be a disabled one
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
		return nil, fmt.Errorf("%w: the answer is about another version", source.ErrUnavailable)
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
