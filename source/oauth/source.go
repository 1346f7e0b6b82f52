package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
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

// flight is one fetch and those who wait for it.
type flight struct {
	cancel    context.CancelFunc
	waiting   int  // under Source.mu, as is abandoned
	abandoned bool // nobody waited any more, and it was cancelled
	done      chan struct{}
	token     *oauth2.Token // these two once done is closed
	err       error
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
	secret, err := source.Token([]byte(token.AccessToken))
	if err != nil {
		return source.Set{}, s.fail(err)
	}
	left := time.Until(token.Expiry)
	if left <= 0 && !token.Expiry.IsZero() {
		return source.Set{}, s.fail(fmt.Errorf("%w: the token has expired", source.ErrNoKey))
	}
	set := source.Set{Keys: []source.Key{{Secret: secret, ExpiresAt: token.Expiry}}}
	switch {
	case !token.Expiry.IsZero():
		// A tenth less, because the ring may be late by a tenth.
		set.FreshFor = min(max((left-renewal)*9/10, time.Second), maxFresh)
	case s.always:
		set.FreshFor = maxFresh // not a new token every 30 s
	}
	return set, nil
}

// share joins the fetch that is under way, or begins one.
func (s *Source) share(ctx context.Context) (*oauth2.Token, error) {
	for {
		f := s.join()
		select {
		case <-f.done:
			if s.spoiled(f) && ctx.Err() == nil {
				continue
			}
			return f.token, f.err
		case <-ctx.Done():
			s.leave(f)
			return nil, s.fail(fmt.Errorf("%w: no token in time: %w", source.ErrUnavailable, ctx.Err()))
		}
	}
}

func (s *Source) join() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil {
		// F86: no caller's context; the first may leave, and others stay.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		s.flight = &flight{cancel: cancel, done: make(chan struct{})}
		go s.fly(ctx, s.flight)
	}
	s.flight.waiting++
	return s.flight
}

// leave ends the fetch when nobody waits for it (F104). It stays s.flight until
// it is over: a token source that hangs gets one goroutine, not one a reading.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.abandoned = true
		f.cancel()
	}
}

// spoiled reports whether f failed because everybody before had left.
func (s *Source) spoiled(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.abandoned && f.err != nil
}

func (s *Source) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	err := errors.New("it panicked") // unless it returns
	var token *oauth2.Token
	defer func() {
		// F97: its panic is no reason for ours. What it says may hold a secret.
		_ = recover()
		s.mu.Lock()
		defer s.mu.Unlock()
		f.token = token
		if err != nil {
			f.err = s.explain(ctx, err)
		}
		s.flight = nil
		close(f.done)
	}()
	token, err = s.fetch(ctx)
}

func (s *Source) fail(err error) *source.Error { return &source.Error{Source: s.String(), Err: err} }

// explain says why there is no token. The error of x/oauth2 holds the body of
// the endpoint's answer, those of other token sources may hold anything.
func (s *Source) explain(ctx context.Context, err error) error {
	if typed, ok := errors.AsType[*source.Error](err); ok {
		return typed
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		return s.fail(reply.Missing(ctx, err))
	}
	code := refused.Response.StatusCode
	kind, text := source.ErrUnavailable, "status "+strconv.Itoa(code)
	switch refused.ErrorCode { // RFC 6749 section 5.2; any other text is the server's own
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		kind, text = source.ErrDenied, refused.ErrorCode
	default:
		if code == http.StatusUnauthorized || code == http.StatusForbidden {
			kind = source.ErrDenied
		}
	}
	failed := s.fail(fmt.Errorf("%w: token endpoint: %s", kind, text))
	failed.RetryAfter = reply.RetryAfter(refused.Response.Header, time.Now())
	return failed
}
