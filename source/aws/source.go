package aws

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
)

// API is the part of the official client that a source uses. [*secretsmanager.Client]
// implements it.
type API interface {
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// A Source reads one secret of AWS Secrets Manager. It is safe for concurrent use and
// need not be closed.
type Source struct {
	base   store.Source
	values versions.Values
	api    API
	secret string
}

// An Option changes how a [Source] reads its secret. A nil Option is ignored.
type Option func(*Source)

// New returns a source that reads the secret with the given name or ARN, in the client's
// region and with the client's credentials. The source switches the client's retries off for
// its calls, since the ring backs off. New makes no call.
func New(client API, secret string, opts ...Option) *Source {
	s := &Source{api: client, secret: secret, base: store.Source{Name: "aws:///" + secret, Decoder: source.Plain, Explain: explain}}
	if c, ok := client.(*secretsmanager.Client); ok && c != nil {
		s.base.Name = "aws://" + c.Options().Region + "/" + secret
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

// WithNames reads the key from the named fields of a JSON object, the form in which the AWS
// console stores key/value pairs. It ignores other
// fields. If the name of the ID or the passphrase is empty, the source does not read that
// field. If the name of the secret is empty, it is "secret". The field of the passphrase may
// be missing, the other fields may not.
func WithNames(id, secret, passphrase string) Option {
	return WithDecoder(pair.Names{ID: id, Secret: secret, Passphrase: passphrase}.JSON)
}

// String returns "aws://REGION/SECRET".
func (s *Source) String() string { return s.base.Name }

// Read lists the versions with the stages AWSCURRENT and AWSPREVIOUS, in that order. It makes
// one DescribeSecret call, and one GetSecretValue call for each of the two that it has not read
// before. It returns when ctx ends.
//
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if the secret does not exist or is
// being deleted, [source.ErrDenied] if AWS refuses the credentials, [source.ErrInvalid] if the
// request or the value is not valid, and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (source.Set, error) { return s.base.Read(ctx, s.read) }

func (s *Source) read(ctx context.Context) (source.Set, error) {
	about, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.secret}, once)
	if err != nil {
		return source.Set{}, err
	}
	if about.DeletedDate != nil {
		return source.Set{}, fmt.Errorf("%w: the secret is scheduled for deletion", source.ErrNoKey)
	}
	var list []versions.Listed
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} { // F92: AWSPENDING never
		for version, stages := range about.VersionIdsToStages {
			if slices.Contains(stages, stage) && !slices.ContainsFunc(list, func(l versions.Listed) bool { return l.Key.Version == version }) {
				// A version's value never changes. But clients choose the version ids, so a
				// secret that is deleted and created again may have the same ids.
				id := version + aws.ToTime(about.CreatedDate).Format(time.RFC3339Nano)
				list = append(list, versions.Listed{ID: id, Key: source.Key{Version: version}})
			}
		}
		if stage == "AWSCURRENT" && len(list) == 0 {
			return source.Set{}, fmt.Errorf("%w: no version is AWSCURRENT", source.ErrNoKey)
		}
	}
	return s.values.Set(list, s.base.Decoder, func(key *source.Key) ([]byte, error) { return s.fetch(ctx, key) })
}

func (s *Source) fetch(ctx context.Context, key *source.Key) ([]byte, error) {
	out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.secret, VersionId: &key.Version}, once)
	if err != nil {
		return nil, err
	}
	if aws.ToString(out.VersionId) != key.Version {
		return nil, fmt.Errorf("%w: the response is for another version", source.ErrUnavailable)
	}
	key.CreatedAt = aws.ToTime(out.CreatedDate)
	if out.SecretString != nil {
		return []byte(*out.SecretString), nil
	}
	return out.SecretBinary, nil
}

// once switches retries off, since the ring backs off.
func once(o *secretsmanager.Options) { o.Retryer = aws.NopRetryer{} }
