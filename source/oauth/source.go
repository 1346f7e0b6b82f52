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

	maxFresh = time.Hour // the ring limits FreshFor to this as well
)

// A Source lists an access token as its only key. It is safe for concurrent use. [New] and
// [Fetch] return one.
type Source struct {
	fetch  func(context.Context) (*oauth2.Token, error)
	always bool // each fetch returns a new token

	mu     sync.Mutex
	flight *flight // the fetch that is going on, or nil
}

// New returns a source of ts's access token. The source makes one call of ts.Token at a time,
// so ts need not be safe for concurrent use. If a call hangs, each reading returns when its
// own context ends, and the call goes on: an oauth2.TokenSource cannot be cancelled.
//
// If ts returns the same token until it expires, as those of x/oauth2 do, the ring cannot
// replace a token that was revoked earlier: see [Fetch]. If ts is nil, Read returns
// [source.ErrNoKey].
func New(ts oauth2.TokenSource) *Source {
	if ts == nil {
		return &Source{}
	}
	return &Source{fetch: func(context.Context) (*oauth2.Token, error) { return ts.Token() }}
}

// Fetch returns a source that calls fetch for a new token at each reading. A ring reads it
// well before the last token expires, at least once an hour, and when the server refuses the
// token. The source makes one call of fetch at a time. The context of the call ends after
// 20 s, or when no reading waits for the token any more.
func Fetch(fetch func(context.Context) (*oauth2.Token, error)) *Source {
	return &Source{fetch: fetch, always: true}
}

// String returns "oauth2".
func (s *Source) String() string { return "oauth2" }

// Read returns a set with the token as its only key. The key's Secret is the access token,
// and its ExpiresAt is the token's Expiry. It has no version name. The set is not Complete.
// Its FreshFor makes the ring read again when the token is about to be replaced. Concurrent
// readings share one fetch, and each of them returns when its own ctx ends.
//
// An error is a [*source.Error]. It wraps [source.ErrDenied] if the token endpoint refuses
// the client, [source.ErrInvalid] if a header cannot carry the token, [source.ErrNoKey] if
// the token has expired, and [source.ErrUnavailable] otherwise. It quotes no text of the
// endpoint.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	if s.fetch == nil {
		err := s.fail(fmt.Errorf("%w: the token source is nil", source.ErrNoKey))
		err.Permanent = true
		return source.Set{}, err
	}
	token, err := s.share(ctx)
	if err != nil {
		return source.Set{}, err
	}
	if token == nil {
		return source.Set{}, s.fail(fmt.Errorf("%w: the token source returned no token", source.ErrInvalid))
	}
	set, err := source.Plain([]byte(token.AccessToken))
	if err != nil {
		return source.Set{}, s.fail(err)
	}
	left := time.Until(token.Expiry)
	if left <= 0 && !token.Expiry.IsZero() {
		return source.Set{}, s.fail(fmt.Errorf("%w: the token has expired", source.ErrNoKey))
	}
	set.Keys[0].ExpiresAt, set.Renews = token.Expiry, true
	switch {
	case !token.Expiry.IsZero():
		// The ring's jitter may make the reading late by a tenth.
		set.FreshFor = min(max((left-renewal)*9/10, time.Second), maxFresh)
	case s.always:
		set.FreshFor = maxFresh // otherwise each poll, every 30 s, would fetch a new token
	}
	return set, nil
}
