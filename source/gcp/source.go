package gcp

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
)

// A Source reads one secret of Google Secret Manager. It is safe for concurrent
// use and has nothing to close.
type Source struct {
	base   store.Leased[*secretmanager.Client]
	values versions.Values
	secret string // projects/P/secrets/S
}

// An Option changes how a secret is read.
type Option func(*Source)

// New returns a source that reads the secret with the resource name secret,
// "projects/PROJECT/secrets/NAME" or, for a regional one,
// "projects/PROJECT/locations/LOCATION/secrets/NAME". The client, one that
// speaks gRPC, stays the caller's; its retries are not used: the ring backs off
// for all sources alike.
func New(client *secretmanager.Client, secret string, opts ...Option) *Source {
	return newSource(lease.Given(client), secret, opts...)
}

func newSource(client *lease.Client[*secretmanager.Client], secret string, opts ...Option) *Source {
	s := &Source{secret: strings.Trim(secret, "/")}
	s.base.Client, s.base.Source = client, store.Source{
		Name:    "gcp://" + strings.NewReplacer("projects/", "", "locations/", "", "secrets/", "").Replace(s.secret),
		Decoder: source.Plain, Explain: explain, RetryAfter: retryAfter,
	}
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

// String returns "gcp://PROJECT/NAME", or "gcp://PROJECT/LOCATION/NAME".
func (s *Source) String() string { return s.base.Name }

// maxVersions is how many enabled versions are listed at most, in one call.
const maxVersions = 10

// alone switches the client's own retries off.
var alone = gax.WithRetry(func() gax.Retryer { return nil })

// Read lists the enabled versions, newest first. It makes one ListSecretVersions
// call, and one AccessSecretVersion call for each version that it has not read
// before. Errors are a [*source.Error].
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context, client *secretmanager.Client) (source.Set, error) {
	if client == nil {
		return source.Set{}, fmt.Errorf("%w: no client", source.ErrInvalid)
	}
	set, err := s.readWith(ctx, client)
	if status.Code(err) == codes.Unavailable && redial(ctx, client) {
		set, err = s.readWith(ctx, client)
	}
	return set, err
}

// redial makes the client dial at once after a lost connection and reports
// whether it has one, or may. Left to itself gRPC waits for up to 2 min before it
// tries again, far longer than the ring, and fails every call meanwhile.
func redial(ctx context.Context, client *secretmanager.Client) bool {
	//lint:ignore SA1019 of a pool it is one connection, which is better than none
	conn := client.Connection()
	if conn == nil {
		return false
	}
	// Twice, since the end of a back-off is not noticed by the call that ended it.
	for _, wait := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
		if conn.GetState() != connectivity.TransientFailure {
			return true
		}
		conn.ResetConnectBackoff()
		conn.Connect()
		ctx, cancel := context.WithTimeout(ctx, wait)
		conn.WaitForStateChange(ctx, connectivity.TransientFailure)
		cancel()
	}
	return conn.GetState() != connectivity.TransientFailure
}

func (s *Source) readWith(ctx context.Context, client *secretmanager.Client) (source.Set, error) {
	list, err := s.list(ctx, client)
	if err != nil {
		return source.Set{}, err
	}
	return s.values.Set(list, s.base.Decoder, func(key *source.Key) ([]byte, error) { return s.fetch(ctx, client, key) })
}

func (s *Source) list(ctx context.Context, client *secretmanager.Client) (list []versions.Listed, err error) {
	all := client.ListSecretVersions(ctx, &secretmanagerpb.ListSecretVersionsRequest{
		Parent: s.secret, Filter: "state:ENABLED", PageSize: maxVersions,
	}, alone)
	for len(list) < maxVersions { // newest first, says the reference
		v, err := all.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, err
		}
		if v.GetState() != secretmanagerpb.SecretVersion_ENABLED { // F92
			continue
		}
		key := source.Key{Version: last(v.GetName()), CreatedAt: v.GetCreateTime().AsTime()}
		id := fmt.Sprint(key.Version, " ", key.CreatedAt.UnixNano()) // the count begins anew with a new secret
		list = append(list, versions.Listed{ID: id, Key: key})
	}
	return list, nil
}

// castagnoli is the polynomial of the service's checksums.
// https://cloud.google.com/secret-manager/docs/data-integrity
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *Source) fetch(ctx context.Context, client *secretmanager.Client, key *source.Key) ([]byte, error) {
	v, err := client.AccessSecretVersion(ctx, &secretmanagerpb.AccessSecretVersionRequest{
		Name: s.secret + "/versions/" + key.Version, // never "latest": value and metadata are of one version
	}, alone)
	if status.Code(err) == codes.FailedPrecondition {
		return nil, s.withheld(ctx, client, key)
	}
	if err != nil {
		return nil, err
	}
	data := v.GetPayload().GetData()
	switch sum := v.GetPayload().DataCrc32C; {
	case last(v.GetName()) != key.Version:
		return nil, fmt.Errorf("%w: the answer is about another version", source.ErrUnavailable)
	case sum != nil && *sum != int64(crc32.Checksum(data, castagnoli)):
		return nil, fmt.Errorf("%w: the value does not match its checksum", source.ErrUnavailable)
	}
	return data, nil
}

// withheld says why an enabled version's value is not to be had: it was disabled or
// destroyed since it was listed, or the service cannot decrypt it. The two have
// one code, and only of the first may the version be left out.
func (s *Source) withheld(ctx context.Context, client *secretmanager.Client, key *source.Key) error {
	list, err := s.list(ctx, client)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(l versions.Listed) bool { return l.Key.Version == key.Version }) {
		return fmt.Errorf("%w: version %q is enabled, but cannot be decrypted: is its encryption key disabled?", source.ErrDenied, key.Version)
	}
	return source.ErrNoKey
}

func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
