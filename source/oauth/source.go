package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
)

const (
	// fetchTimeout bounds one fetch.
	fetchTimeout = 20 * time.Second

	// renewal is how long before its expiry x/oauth2 replaces a token.
	renewal = 10 * time.Second

	maxFresh = time.Hour // the ring's own limit
)

// Source is an access token as a source of one key. [New] and [Fetch] make one;
// it is safe for concurrent use.
type Source struct {
	fetch  func(context.Context) (*oauth2.Token, error)
	always bool // each fetch brings another token

	mu     sync.Mutex
	flight *flight // nil if none is under way
}

// New returns a source of ts's access token. ts need not be safe for concurrent
// use: its Token is called once at a time. While it hangs, readings end with
// their own contexts and the one call stays; the interface has no way to end it.
//
// A ts that keeps its token until it expires, as those of x/oauth2 do, cannot
// replace one that was revoked before its time; see [Fetch].
func New(ts oauth2.TokenSource) *Source {
	if ts == nil {
		return &Source{}
	}
	return &Source{fetch: func(context.Context) (*oauth2.Token, error) { return ts.Token() }}
}

// Fetch returns a source that calls fetch for a new token at each reading: well
// before the last one expires, at least once an hour, and when the server
// refuses it. fetch is called once at a time, with a context that ends after
// 20 s, or when no reading waits for it any more.
func Fetch(fetch func(context.Context) (*oauth2.Token, error)) *Source {
	return &Source{fetch: fetch, always: true}
}

// String returns "oauth2".
func (s *Source) String() string { return "oauth2" }

// Read returns the token as the one key of a set that is not complete: its
// Secret is the access token, its ExpiresAt the token's Expiry; it has no
// version name. FreshFor leads the ring to the time at which the token is
// replaced. Readings that come together share one fetch, and each of them ends
// with its own ctx (F87).
//
// Its errors are of type *[source.Error] and match [source.ErrDenied] where the
// token endpoint refuses the client, [source.ErrInvalid] for a token that no
// header can carry, [source.ErrNoKey] for one that has expired, and
// [source.ErrUnavailable] for the rest. They hold no text of the endpoint's.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	if s.fetch == nil {
		return source.Set{}, s.fail(fmt.Errorf("%w: no token source", source.ErrNoKey))
	}
	token, err := s.share(ctx)
	if err != nil {
		return source.Set{}, err
	}
	if token == nil {
		return source.Set{}, s.fail(fmt.Errorf("%w: no token", source.ErrInvalid))
	}
	set, err := source.Plain([]byte(token.AccessToken))
	if err != nil {
		return source.Set{}, s.fail(err)
	}
	left := time.Until(token.Expiry)
	if left <= 0 && !token.Expiry.IsZero() {
		return source.Set{}, s.fail(fmt.Errorf("%w: the token has expired", source.ErrNoKey))
	}
	set.Keys[0].ExpiresAt = token.Expiry
	switch {
	case !token.Expiry.IsZero():
		// A tenth less, because the ring may be late by a tenth.
		set.FreshFor = min(max((left-renewal)*9/10, time.Second), maxFresh)
	case s.always:
		set.FreshFor = maxFresh // not a new token every 30 s
	}
	return set, nil
}
