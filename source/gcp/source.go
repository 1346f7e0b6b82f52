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

// A Source reads one secret of Google Secret Manager. It is safe for concurrent use and
// need not be closed.
type Source struct {
	base   store.Leased[*secretmanager.Client]
	values versions.Values
	secret string // projects/P/secrets/S
}

// An Option changes how a [Source] reads its secret. A nil Option is ignored.
type Option func(*Source)

// New returns a source that reads the secret with the resource name secret. That is
// "projects/PROJECT/secrets/NAME" or, for a regional secret,
// "projects/PROJECT/locations/LOCATION/secrets/NAME". The client must use gRPC. Close it after
// the ring. The source does not use the client's retries, since the ring backs off. New makes
// no call.
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

// String returns "gcp://PROJECT/NAME", or "gcp://PROJECT/LOCATION/NAME".
func (s *Source) String() string { return s.base.Name }

// maxVersions is how many enabled versions the source lists at most. One call returns them.
const maxVersions = 10

// noRetry switches the client's retries off.
var noRetry = gax.WithRetry(func() gax.Retryer { return nil })

// Read lists the enabled versions, newest first. It makes one ListSecretVersions call, and one
// AccessSecretVersion call for each version that it has not read before. It returns when ctx
// ends.
//
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if there is no secret or no
// enabled version, [source.ErrDenied] if Google refuses the credentials or cannot decrypt a
// version, [source.ErrInvalid] if the request or the value is not valid, and
// [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context, client *secretmanager.Client) (source.Set, error) {
	if client == nil {
		return source.Set{}, fmt.Errorf("%w: the client is nil", source.ErrInvalid)
	}
	set, err := s.readWith(ctx, client)
	if status.Code(err) == codes.Unavailable && redial(ctx, client) {
		set, err = s.readWith(ctx, client)
	}
	return set, err
}

// redial makes the client connect again at once after it lost its connection. It reports
// whether the client is connected or may be soon. By itself gRPC waits for up to 2 min before
// it connects again, much longer than the ring backs off, and every call fails meanwhile.
func redial(ctx context.Context, client *secretmanager.Client) bool {
	//lint:ignore SA1019 of a pool it is one connection, which is better than none
	conn := client.Connection()
	if conn == nil {
		return false
	}
	// Try twice: the first call may end gRPC's back-off without connecting.
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
	}, noRetry)
	for len(list) < maxVersions { // the API reference says that the newest comes first
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
		id := fmt.Sprint(key.Version, " ", key.CreatedAt.UnixNano()) // numbers start again with a new secret
		list = append(list, versions.Listed{ID: id, Key: key})
	}
	return list, nil
}

// castagnoli is the polynomial of the service's checksums.
// https://cloud.google.com/secret-manager/docs/data-integrity
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *Source) fetch(ctx context.Context, client *secretmanager.Client, key *source.Key) ([]byte, error) {
	v, err := client.AccessSecretVersion(ctx, &secretmanagerpb.AccessSecretVersionRequest{
		Name: s.secret + "/versions/" + key.Version, // never "latest", so that the value and the metadata are of one version
	}, noRetry)
	if status.Code(err) == codes.FailedPrecondition {
		return nil, s.denied(ctx, client, key)
	}
	if err != nil {
		return nil, err
	}
	data := v.GetPayload().GetData()
	switch sum := v.GetPayload().DataCrc32C; {
	case last(v.GetName()) != key.Version:
		return nil, fmt.Errorf("%w: the response is for another version", source.ErrUnavailable)
	case sum != nil && *sum != int64(crc32.Checksum(data, castagnoli)):
		return nil, fmt.Errorf("%w: the value does not match its checksum", source.ErrUnavailable)
	}
	return data, nil
}

// denied says why the service refuses the value of a version that it has listed as enabled.
// Either the version was disabled or destroyed in the meantime, or the service cannot decrypt
// it. Both have the same code, but only in the first case may the source leave the version
// out.
func (s *Source) denied(ctx context.Context, client *secretmanager.Client, key *source.Key) error {
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
