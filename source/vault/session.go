package vault

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// A session is the source's own standing with Vault: its token, looked after in
// the course of readings, so that no goroutine is needed.
type session struct {
	method api.AuthMethod // nil: the token that the client came with

	turn    chan struct{} // holds one token while somebody sees to what follows
	client  *api.Client
	known   bool          // lease and renewAt are
	lease   time.Duration // 0: for ever
	renewAt time.Time     // zero: not at all
}

// do calls f with a client whose token is good as far as we know. If Vault does
// not know the token after all, f gets one more try with another (F88). freshFor
// makes the ring read, and with it the token be renewed, well within the lease;
// it is 0 where the ring's own interval is short enough.
func (s *session) do(ctx context.Context, f func(*api.Client) error) (freshFor time.Duration, err error) {
	client, freshFor, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	asked := time.Duration(0)
	try := func(client *api.Client) error {
		return f(client.WithResponseCallbacks(func(r *api.Response) {
			if r != nil && r.Response != nil {
				asked = reply.RetryAfter(r.Header, time.Now())
			}
		}))
	}
	if err = try(client); refused(err) {
		another, failed := s.another(ctx, client.Token())
		if failed != nil {
			return 0, failed
		}
		if another != nil {
			err = try(another)
		}
	}
	if err != nil && asked > 0 {
		err = &patient{err, asked}
	}
	return freshFor, err
}

// patient is an error with the server's word on when to ask again.
type patient struct {
	error
	after time.Duration
}

func (p *patient) Unwrap() error { return p.error }

func (s *session) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) unlock() { <-s.turn }

// copy returns a client with the token of this moment. The caller holds turn.
func (s *session) copy() *api.Client { return s.client.WithResponseCallbacks() }

// ready sees to the token if it is time to, and returns a client and how soon
// the token is to be seen to again.
func (s *session) ready(ctx context.Context) (client *api.Client, freshFor time.Duration, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, 0, err
	}
	defer s.unlock()
	if s.client.Token() == "" {
		if err := s.login(ctx); err != nil {
			return nil, 0, err
		}
	}
	if !s.known {
		s.lookup(ctx)
	}
	if !s.renewAt.IsZero() && time.Now().After(s.renewAt) {
		s.renew(ctx)
	}
	if d := s.lease / 3; !s.renewAt.IsZero() && d < 30*time.Second {
		freshFor = d
	}
	return s.copy(), freshFor, nil
}

// another returns a client with another token than the one before, which was
// refused: nil if Vault knows that one, so that it is the policy which refuses,
// and if there is no other.
func (s *session) another(ctx context.Context, before string) (*api.Client, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.client.Token() == before {
		if s.method == nil {
			return nil, nil
		}
		// Logging in at each poll that a policy refuses would fill Vault with tokens.
		_, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
		switch {
		case err == nil:
			return nil, nil
		case status(err) == 0: // no answer says nothing of the token
			return nil, err
		}
		if err := s.login(ctx); err != nil {
			return nil, err
		}
		if s.client.Token() == before {
			return nil, nil
		}
	}
	return s.copy(), nil
}

// login gets a token. If it fails, the one before stays. The caller holds turn.
func (s *session) login(ctx context.Context) error {
	if s.method == nil {
		return &loginError{errNoToken}
	}
	before := s.client.Token()
	s.client.ClearToken()
	secret, err := s.client.Auth().Login(ctx, s.method)
	if err != nil {
		s.client.SetToken(before)
		return &loginError{err}
	}
	s.known = secret.Auth.LeaseDuration > 0
	s.note(secret)
	return nil
}

type loginError struct{ error }

func (l *loginError) Unwrap() error { return l.error }

// lookup learns how long the token lives; a token that may not ask is used as it
// is. The caller holds turn.
func (s *session) lookup(ctx context.Context) {
	secret, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	s.known = err == nil || refused(err)
	if err == nil {
		s.note(secret)
	}
}

// note takes over the lease that an answer names. The caller holds turn.
func (s *session) note(secret *api.Secret) {
	lease, _ := secret.TokenTTL()
	renewable, _ := secret.TokenIsRenewable()
	s.lease, s.renewAt = lease, time.Time{}
	if lease > 0 && (renewable || s.method != nil) {
		s.renewAt = time.Now().Add(lease / 2)
	}
}

// renew makes the token live longer, or gets another when it cannot: its maximum
// is over, it is not renewable, or it is gone. The caller holds turn.
func (s *session) renew(ctx context.Context) {
	secret, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err == nil {
		s.note(secret)
		return
	}
	if s.method == nil || s.login(ctx) != nil {
		s.renewAt = time.Now().Add(s.lease / 10) // the token may still be good: the reading shows
	}
}
