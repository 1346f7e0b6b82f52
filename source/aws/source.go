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

// API is the part of the official client that a source uses;
// *secretsmanager.Client has it.
type API interface {
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// A Source reads one secret of AWS Secrets Manager. It is safe for concurrent
// use and has nothing to close.
type Source struct {
	base   store.Source
	values versions.Values
	api    API
	secret string
}

// An Option changes how a secret is read.
type Option func(*Source)

// New returns a source that reads the secret with that name or ARN. The client
// brings region and credentials; its own retries are switched off for the
// source's calls, since the ring backs off for all sources alike.
func New(client API, secret string, opts ...Option) *Source {
	s := &Source{api: client, secret: secret, base: store.Source{Name: "aws:///" + secret, Decoder: source.Plain, Explain: explain}}
	if c, ok := client.(*secretsmanager.Client); ok && c != nil {
		s.base.Name = "aws://" + c.Options().Region + "/" + secret
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

// WithNames takes the key out of the named fields of a JSON object, the form
// in which the console stores key/value pairs. An empty id or passphrase is not
// looked for, an empty secret stands for "secret". Only the passphrase may be
// missing; other fields are ignored.
func WithNames(id, secret, passphrase string) Option {
	return WithDecoder(pair.Names{ID: id, Secret: secret, Passphrase: passphrase}.JSON)
}

// String returns "aws://REGION/SECRET".
func (s *Source) String() string { return s.base.Name }

// Read lists the versions that carry AWSCURRENT and AWSPREVIOUS, in that order.
// It makes one DescribeSecret call, and one GetSecretValue call for each of the
// two that it has not read before. Errors are a [*source.Error].
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
				// A version's value never changes. A secret deleted and made anew
				// may have the same version ids, which its clients choose.
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
		return nil, fmt.Errorf("%w: the answer is about another version", source.ErrUnavailable)
	}
	key.CreatedAt = aws.ToTime(out.CreatedDate)
	if out.SecretString != nil {
		return []byte(*out.SecretString), nil
	}
	return out.SecretBinary, nil
}

// once leaves trying again to the ring.
func once(o *secretsmanager.Options) { o.Retryer = aws.NopRetryer{} }
