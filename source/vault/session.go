package vault

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// A session has the source's own token. It renews the token during readings, so it needs no
// goroutine.
type session struct {
	method api.AuthMethod // nil means to use the client's token

	turn    chan struct{} // a lock for what follows: it has a token while it is locked
	client  *api.Client
	known   bool          // lease and renewAt are set
	lease   time.Duration // 0 means for ever
	renewAt time.Time     // zero means never
}

// do calls f with a client whose token has not expired as far as the session knows. If Vault
// refuses the token, do calls f once more with another one, if it can get one (F88). freshFor
// makes the ring read in time to renew the token within its lease. It is 0 if the ring's own
// interval is short enough.
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

// patient is an error with the wait that the server asked for.
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

// copy returns a client with the present token. The caller has locked turn.
func (s *session) copy() *api.Client { return s.client.WithResponseCallbacks() }

// ready logs in or renews the token if necessary. It returns a client, and how soon ready
// must be called again, or 0.
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

// another returns a client with another token than before, which was refused. It returns nil
// if there is no other token, or if Vault still knows the token: then a policy refuses the
// request, and another token would not help.
func (s *session) another(ctx context.Context, before string) (*api.Client, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.client.Token() == before {
		if s.method == nil {
			return nil, nil
		}
		// If a policy refuses each poll, a login at each would fill Vault with tokens.
		_, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
		switch {
		case err == nil:
			return nil, nil
		case status(err) == 0: // Vault did not answer, so the token may be valid
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

// login gets a token. If it fails, the client keeps its token. The caller has locked turn.
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

// lookup asks Vault for the token's lease. If the token may not ask, it is used without
// renewal. The caller has locked turn.
func (s *session) lookup(ctx context.Context) {
	secret, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	s.known = err == nil || refused(err)
	if err == nil {
		s.note(secret)
	}
}

// note stores the lease that secret names. The caller has locked turn.
func (s *session) note(secret *api.Secret) {
	lease, _ := secret.TokenTTL()
	renewable, _ := secret.TokenIsRenewable()
	s.lease, s.renewAt = lease, time.Time{}
	if lease > 0 && (renewable || s.method != nil) {
		s.renewAt = time.Now().Add(lease / 2)
	}
}

// renew renews the token. If that fails, it logs in: the token has reached its maximum TTL,
// cannot be renewed or was revoked. The caller has locked turn.
func (s *session) renew(ctx context.Context) {
	secret, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err == nil {
		s.note(secret)
		return
	}
	if s.method == nil || s.login(ctx) != nil {
		s.renewAt = time.Now().Add(s.lease / 10) // the token may still be valid: the reading will show
	}
}
