package sigv4

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Configure makes clients of the AWS SDK for Go v2 sign with the ring's keys and fall
// back, if they are made from cfg afterwards. It sets cfg.Credentials to [Credentials]
// and adds [Middleware] to cfg.APIOptions. If it is called more than once for a client,
// the last call counts.
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	sigv4.Configure(&cfg, ring)
//	client := s3.NewFromConfig(cfg)
//
// Configure does not change clients that were made from cfg before. Configure does not
// fail: if the ring has no key, each call returns the error.
func Configure(cfg *aws.Config, keys *ring.Ring) {
	cfg.Credentials = Credentials(keys)
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), Middleware(keys)) // copies of cfg share the slice
}

// Credentials returns an AWS credentials provider for the key that the ring uses now.
// It is for uses that [Middleware] does not reach: presigned URLs, event streams, tools
// of other makers.
//
// The credentials expire as soon as they are returned. So an [aws.CredentialsCache],
// which LoadDefaultConfig puts around every provider, asks for them at each call and
// never uses a key that was replaced. Retrieve only reads memory and does not block.
// Its error wraps that of [ring.Ring.InUse], or wraps [source.ErrUnusable].
//
// With Credentials alone the ring does not learn of refusals and does not fall back:
// from the moment that the server drops a key until the source has the next one, calls
// fail.
func Credentials(keys *ring.Ring) aws.CredentialsProvider { return provided{keys} }

type provided struct{ ring *ring.Ring }

func (p provided) Retrieve(context.Context) (aws.Credentials, error) {
	key, err := p.ring.InUse()
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("sigv4: %w", err)
	}
	c, err := credentials(key)
	if err != nil {
		return aws.Credentials{}, err
	}
	c.Source = "rollingkeys"
	// F119: without an expiry the cache would never ask again. The cache treats
	// credentials that expire now as expired, whatever its ExpiryWindow.
	c.CanExpire, c.Expires = true, time.Now()
	return c, nil
}
