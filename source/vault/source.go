package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
)

// A Source reads one secret of a KV version 2 engine. It is a [source.Notifier] and safe for
// concurrent use. It need not be closed.
type Source struct {
	base    store.Source
	values  versions.Values
	session session
	mount   string
	path    string
	// hangUp closes the idle connections of a client that only the source has.
	hangUp func()
}

// An Option changes how a [Source] reads its secret. A nil Option is ignored.
type Option func(*Source)

// New returns a source that reads the secret at path in the KV version 2 engine at mount,
// such as "secret". It uses a copy of client with the same token and namespace. The copy does
// not retry, since the ring backs off. New sends no request. Its error is a [*source.Error]
// that wraps [source.ErrInvalid].
func New(client *api.Client, mount, path string, opts ...Option) (*Source, error) {
	s := &Source{mount: strings.Trim(mount, "/"), path: strings.Trim(path, "/"), hangUp: func() {}, base: store.Source{
		Name: "vault", Decoder: pair.Names{}.JSON, Explain: explain, RetryAfter: retryAfter,
	}}
	if client == nil || s.mount == "" || s.path == "" {
		return nil, &source.Error{Source: s.base.Name, Err: fmt.Errorf("%w: the client is nil, or the mount or the path is empty", source.ErrInvalid)}
	}
	if u, err := url.Parse(client.Address()); err == nil {
		s.base.Name = (&url.URL{Scheme: "vault", Host: u.Host, Path: "/" + s.mount + "/" + s.path}).String()
	}
	own, err := client.CloneWithHeaders()
	if err != nil {
		return nil, &source.Error{Source: s.base.Name, Err: fmt.Errorf("%w: the client cannot be copied", source.ErrInvalid)}
	}
	own.SetMaxRetries(0)
	own.SetToken(client.Token())
	s.session = session{client: own, turn: make(chan struct{}, 1)}
	option.Apply(s, opts)
	return s, nil
}

// WithDecoder sets the decoder of a version's data, which is a JSON object. Use
// [source.Document] if the data is a key document. The default is WithNames("", "secret",
// ""), also if decode is nil.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) { s.base.WithDecoder(decode) }
}

// WithNames reads the key from the named fields of the data and ignores other fields. If the
// name of the ID or the passphrase is empty, the source does not read that field. If the name
// of the secret is empty, it is "secret". The field of the passphrase may be missing, the
// other fields may not.
func WithNames(id, secret, passphrase string) Option {
	return WithDecoder(pair.Names{ID: id, Secret: secret, Passphrase: passphrase}.JSON)
}

// WithLogin gets the source's own token by a login. The source logs in at the first reading,
// when the token can no longer be renewed, and once when Vault no longer knows the
// token. The source does not use the client's token. method is one of the official client,
// such as that of github.com/hashicorp/vault/api/auth/approle, or [TokenFile]. The default is
// the client's token.
func WithLogin(method api.AuthMethod) Option {
	return func(s *Source) {
		s.session.method = method
		s.session.client.ClearToken()
	}
}

// String returns "vault://HOST/MOUNT/PATH".
func (s *Source) String() string { return s.base.Name }

// Read lists the versions that are neither deleted nor destroyed, newest first. It requests
// the metadata, and the data of each version that it has not read before. It also renews the
// token, or logs in, if necessary. It returns when ctx ends.
//
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if there is no secret at the path
// or no usable version, [source.ErrDenied] if Vault refuses the token or the login,
// [source.ErrInvalid] if the mount is no KV version 2 engine or the data is no key, and
// [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	return s.base.Read(ctx, func(ctx context.Context) (set source.Set, err error) {
		defer func() {
			if err != nil || ctx.Err() != nil { // F104: perhaps neither Read nor Notify is called again
				s.hangUp()
			}
		}()
		freshFor, err := s.session.do(ctx, func(client *api.Client) (err error) {
			set, err = s.read(ctx, client.KVv2(s.mount))
			return err
		})
		if set.FreshFor == 0 {
			set.FreshFor = freshFor
		}
		return set, err
	})
}

func (s *Source) read(ctx context.Context, kv *api.KVv2) (source.Set, error) {
	about, err := kv.GetMetadata(ctx, s.path)
	if err != nil {
		return source.Set{}, err
	}
	list, warnings := live(about, time.Now())
	set, err := s.values.Set(list, s.base.Decoder, func(key *source.Key) ([]byte, error) {
		return s.fetch(ctx, kv, key)
	})
	set.Warnings = append(set.Warnings, warnings...)
	if errors.Is(err, source.ErrNoKey) && len(warnings) > 0 {
		err = warnings[0]
	}
	return set, err
}

func (s *Source) fetch(ctx context.Context, kv *api.KVv2, key *source.Key) ([]byte, error) {
	n, err := strconv.Atoi(key.Version)
	if err != nil {
		return nil, source.ErrNoKey
	}
	secret, err := kv.GetVersion(ctx, s.path, n)
	if err != nil {
		return nil, err
	}
	if m := secret.VersionMetadata; secret.Data == nil || m == nil || m.Version != n || !m.CreatedTime.Equal(key.CreatedAt) {
		return nil, source.ErrNoKey // it was deleted after the metadata was read, or the secret was replaced
	}
	return json.Marshal(secret.Data)
}

// maxVersions is how many versions the source lists at most. KV keeps 10 by default.
const maxVersions = 10

// live returns the versions that may be used, newest first, and a warning for each version
// that it leaves out because of an invalid time.
func live(about *api.KVMetadata, now time.Time) (list []versions.Listed, warnings []error) {
	for _, v := range about.Versions {
		if v.Destroyed || !v.DeletionTime.IsZero() && !now.Before(v.DeletionTime) { // F92
			continue
		}
		id := fmt.Sprint(v.Version, " ", v.CreatedTime.UnixNano()) // numbers start again with a new secret
		key := source.Key{Version: strconv.Itoa(v.Version), CreatedAt: v.CreatedTime, ExpiresAt: v.DeletionTime}
		if err := annotate(&key, about.CustomMetadata); err != nil {
			warnings = append(warnings, err)
			continue
		}
		list = append(list, versions.Listed{ID: id, Key: key})
	}
	slices.SortFunc(list, func(a, b versions.Listed) int {
		m, _ := strconv.Atoi(a.Key.Version)
		n, _ := strconv.Atoi(b.Key.Version)
		return n - m
	})
	return list[:min(len(list), maxVersions)], warnings
}

// annotate adds the times and scopes that custom_metadata has for the version.
func annotate(key *source.Key, custom map[string]any) error {
	prefix := "v" + key.Version + "."
	for name, at := range map[string]*time.Time{"not_before": &key.NotBefore, "expires_at": &key.ExpiresAt} {
		value, ok := custom[prefix+name]
		if !ok {
			continue
		}
		text, _ := value.(string)
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("%w: version %q: custom_metadata %q must be a time of RFC 3339, such as 2026-11-24T09:00:00Z", source.ErrInvalid, key.Version, prefix+name)
		}
		if name == "not_before" || at.IsZero() || t.Before(*at) {
			*at = t
		}
	}
	if text, ok := custom[prefix+"scopes"].(string); ok {
		key.Scopes = strings.Fields(text)
	}
	return nil
}
