package sigv4

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Configure makes the clients of the AWS SDK for Go v2 that are made from cfg sign
// with the ring's keys, and fall back: it sets cfg.Credentials to [Credentials] and
// adds [Middleware] to cfg.APIOptions. Of several for one client the last counts.
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	sigv4.Configure(&cfg, ring)
//	client := s3.NewFromConfig(cfg)
//
// Clients that were made from cfg before stay as they are. Configure itself does not
// fail: what is wrong with the ring, each call will say.
func Configure(cfg *aws.Config, keys *ring.Ring) {
	cfg.Credentials = Credentials(keys)
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), Middleware(keys)) // copies of cfg share what there is
}

// Credentials returns the key that ring uses now as the AWS SDK takes it, for what
// [Middleware] does not reach: presigned URLs, event streams, tools of other makers.
//
// The credentials expire as soon as they are handed out, so that an
// [aws.CredentialsCache], which LoadDefaultConfig puts around every provider, asks for
// them at each call and never goes on with a key that was replaced. Retrieve reads
// memory only and does not block. Its error is that of [ring.Ring.InUse], or wraps
// [source.ErrUnusable].
//
// The ring learns nothing of refusals this way and does not fall back: calls fail from
// the moment that the server drops a key until the source has the next.
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
	// F119: without an expiry the cache would never ask again. The moment itself
	// counts as over, and what the cache takes off for its ExpiryWindow does no harm.
	c.CanExpire, c.Expires = true, time.Now()
	return c, nil
}
