package provider

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

const (
	// loginTimeout is how long a connection may take until it is logged in. It is less than
	// the minute for which a probe without an answer keeps the ring from another.
	loginTimeout = 30 * time.Second
	// maxRest is the longest pause between two connections. A connection that lasted as
	// long was a good one: the next is made at once.
	maxRest = time.Minute
	// unanswered is the advice about a version whose logins get no answer (F138).
	unanswered = "each connection ended before the API answered the login: look up at the API whether the key is active, its rights and its addresses"
)

// Session keeps a connection, such as a WebSocket, logged in with the key that the ring's
// requests get, until ctx ends. It needs no requests: its logins tell the ring which keys
// the API accepts. A whole bot:
//
//	err := provider.OKX().Session(ctx, keys, func(ctx context.Context, login *provider.Login) error {
//		conn, _, err := websocket.Dial(ctx, "wss://ws.okx.com:8443/ws/v5/private", nil)
//		if err != nil {
//			return err
//		}
//		defer conn.CloseNow()
//		write := func(message []byte) error { return conn.Write(ctx, websocket.MessageText, message) }
//		read := func() ([]byte, error) { _, message, err := conn.Read(ctx); return message, err }
//		if err := login.Do(write, read); err != nil {
//			return err
//		}
//		for {
//			message, err := read()
//			if err != nil {
//				return err
//			}
//			handle(message)
//		}
//	})
//
// Each call of connect is one connection with one login. connect opens it, logs in with
// [Login.Do], and uses it until ctx ends; if a library takes no context, close its
// connection by context.AfterFunc. Session calls connect again
//
//   - when connect has returned an error: at once if the connection lasted a minute, else
//     after a pause of 1 s, doubling up to 1 min;
//   - when the API refuses the key of the login: with another key, if there is one;
//   - when the ring switches, falls back or recovers, and when a key that was refused is to
//     be tried again. The connection so far stays open meanwhile. Its context ends
//     when the new one is logged in, so two calls of connect overlap for a moment. If the
//     API allows one connection only ([Profile].OneConnection), the context ends first;
//   - when there is a key again after the last one expired or was revoked, which ends the
//     context at once.
//
// As long as connect runs, its key is pinned: the ring does not call it safe to revoke (see
// [ring.Ring.Pin]). The ring reports refusals, as events and in its status. A connection
// that ends before the answer to its login refuses no key; if that happens to a new key again
// and again, the ring emits a Warning. Session does not log connect's errors; connect may.
//
// Session blocks until no call of connect runs any more. It returns nil if connect returns
// nil while it is logged in. Otherwise it returns the error of ctx together with connect's
// last one, ring.ErrClosed if the ring was closed, or an error at once if the key in use
// cannot log in or the profile has no login. One ring may have any number of sessions.
func (p Profile) Session(ctx context.Context, keys *ring.Ring, connect func(context.Context, *Login) error) error {
	if p.Login == nil || p.LoginVerdict == nil {
		return fmt.Errorf("provider: %s: the profile has no login: set Login and LoginVerdict", p.Name)
	}
	if ctx == nil || connect == nil { // F179
		return fmt.Errorf("provider: %s: a session needs a context, and a function that connects", p.Name)
	}
	if p.Lockout {
		keys.Lockout()
	}
	_, release, err := keys.Prepare(func(key source.Key) (any, error) { _, err := p.Login(key); return nil, err })
	defer release()
	if err != nil {
		if key, none := keys.InUse(); none == nil {
			_, err = p.Login(key) // not an error if it is another one than the current
		}
		if err != nil && !errors.Is(err, source.ErrNoKey) {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{profile: p, keys: keys, connect: connect, cancel: cancel, news: make(chan struct{}, 1)}
	stop := keys.Subscribe(func(e ring.Event) {
		switch e.Kind {
		case ring.NoKey:
			s.cut()
		case ring.Switched, ring.RolledBack, ring.FellBack, ring.Recovered:
			select {
			case s.news <- struct{}{}:
			default:
			}
		}
	})
	defer func() { stop(); cancel(); s.calls.Wait() }()
	return s.run(ctx)
}

// A session is what one call of [Profile.Session] knows.
type session struct {
	profile Profile
	keys    *ring.Ring
	connect func(context.Context, *Login) error
	cancel  context.CancelFunc
	calls   sync.WaitGroup        // of connect
	news    chan struct{}         // another key may be in use
	last    atomic.Pointer[error] // connect's last error
	done    atomic.Bool           // connect returned nil
	live    atomic.Pointer[Login] // the connection that is logged in; nil if none is
}

// cut ends the connection if no key may be used any more, since the last one expired or
// was revoked.
func (s *session) cut() {
	if live := s.live.Load(); live != nil && s.keys.Version() == "" {
		live.cancel()
	}
}

// run makes connections until ctx ends.
func (s *session) run(ctx context.Context) error {
	for failures := 0; ; {
		have, until, live := source.Key{}, ctx, s.live.Load()
		if live != nil {
			have, until = live.key, live.ctx
		}
		attempt, err := s.keys.Await(until, have)
		good := false
		switch {
		case err == nil:
			good = s.logIn(ctx, &attempt)
		case ctx.Err() != nil:
		case live == nil, errors.Is(err, ring.ErrClosed):
			return err
		default: // the connection has ended
			if good = time.Since(live.since) >= maxRest; good {
				failures = 0
			}
			s.live.Store(nil)
		}
		if ctx.Err() == nil && !good {
			s.rest(ctx, failures)
			failures++
		}
		if ctx.Err() != nil {
			return s.end(ctx)
		}
	}
}

// end returns why the session has ended.
func (s *session) end(ctx context.Context) error {
	if s.done.Load() {
		return nil
	}
	err := fmt.Errorf("provider: %s: the session has ended: %w", s.profile.Name, context.Cause(ctx))
	if last := s.last.Load(); last != nil {
		err = fmt.Errorf("%w; its last connection: %w", err, *last)
	}
	return err
}

// logIn makes connections until one is logged in. It returns false if the next attempt is
// to come after a pause; after a refusal the ring says when that is.
func (s *session) logIn(ctx context.Context, attempt *ring.Attempt) (good bool) {
	for {
		live := s.live.Load()
		if live != nil && s.profile.OneConnection {
			live.cancel()
			<-live.done
			live = nil
			s.live.Store(nil)
		}
		l := s.open(ctx, attempt)
		select {
		case <-l.in:
		case <-l.done:
		}
		verdict, in := l.outcome()
		switch {
		case in:
			s.live.Store(l)
			if live != nil {
				live.cancel()
			}
			s.cut() // the key may have been revoked while it logged in
			return true
		case l.unanswered() && ctx.Err() == nil:
			attempt.Denied(unanswered)
			return false
		case verdict != transport.Refused && verdict != transport.RefusedUnapplied && verdict != transport.Ambiguous:
			attempt.Unknown()
			return false
		case live != nil && live.ctx.Err() == nil && verdict != transport.Ambiguous:
			// A connection with another key is logged in: no login is needed to fall back.
			attempt.Refused()
			return true
		case !attempt.Next(ctx, verdict == transport.Ambiguous):
			return false
		}
	}
}

// open calls connect in a goroutine.
func (s *session) open(ctx context.Context, attempt *ring.Attempt) *Login {
	l := &Login{session: s, attempt: attempt, key: attempt.Key(), version: attempt.Version(), verdict: transport.Inconclusive,
		in: make(chan struct{}), done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(ctx)
	late := time.AfterFunc(loginTimeout, func() {
		if _, in := l.outcome(); !in {
			l.cancel()
		}
	})
	s.calls.Go(func() {
		defer close(l.done)
		defer l.cancel()
		defer l.release()
		defer late.Stop()
		err := s.connect(l.ctx, l)
		_, in := l.outcome()
		switch ended := l.ctx.Err() != nil; {
		case err != nil && (!ended || !in):
			s.last.Store(&err)
		case err == nil && !ended && in:
			s.done.Store(true)
			s.cancel()
		}
	})
	return l
}

// rest waits for the nth pause in a row, or until another key is in use.
func (s *session) rest(ctx context.Context, n int) {
	select {
	case <-s.news: // what happened before the failure
	default:
	}
	d := min(time.Second<<min(n, 6), maxRest)
	t := time.NewTimer(d + rand.N(d/10))
	defer t.Stop()
	lost := ctx.Done()
	if live := s.live.Load(); live != nil {
		lost = live.ctx.Done()
	}
	select {
	case <-t.C:
	case <-s.news:
	case <-lost:
	}
}
