package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// outOfDate is the state of a session that is not logged in with the key in use.
const outOfDate = "the last one was not with the key in use"

// A session stands for a bot's WebSocket connection: it logs in with a key, and logs
// in again when the key changes. The mock takes the login message over HTTP.
type session struct {
	bot     *bot
	profile provider.Profile
	out     io.Writer
	changed chan struct{}

	mu   sync.Mutex
	last string // the id of the key of the last login
}

func newSession(b *bot, p provider.Profile, out io.Writer) *session {
	s := &session{bot: b, profile: p, out: out, changed: make(chan struct{}, 1)}
	s.changed <- struct{}{} // the first login
	b.traders.Ring().Subscribe(func(e ring.Event) {
		switch e.Kind {
		case ring.Switched, ring.RolledBack, ring.FellBack, ring.Recovered:
			select {
			case s.changed <- struct{}{}:
			default: // a login is due already
			}
		}
	})
	return s
}

// keep keeps the session logged in until the bot ends.
func (s *session) keep() {
	for {
		select {
		case <-s.changed:
		case <-s.bot.ctx.Done():
			return
		}
		for wait := 500 * time.Millisecond; s.bot.ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
			version, err := s.again(s.bot.ctx)
			if err == nil {
				fmt.Fprintf(s.out, "logged in on the WebSocket with %s\n", version)
				break
			}
			// The exchange refused every key, or did not answer. Exchanges limit
			// the rate of logins too, so wait before the next.
			timer := time.NewTimer(wait)
			select {
			case <-s.changed:
			case <-timer.C:
			case <-s.bot.ctx.Done():
			}
			timer.Stop()
		}
	}
}

// again logs in with the key in use, or with another one if the exchange refuses
// that. It reports the outcome of each attempt to the ring. A bot that sends nothing
// but logins must do so, or its ring never learns of a refusal.
func (s *session) again(ctx context.Context) (version string, err error) {
	attempt, err := s.bot.traders.Ring().Attempt(ctx, true)
	if err != nil {
		return "", err
	}
	for {
		version, verdict, err := s.send(ctx, attempt.Key())
		if err == nil && version != "" {
			attempt.Accepted()
			s.bot.mu.Lock()
			s.bot.logins++
			s.bot.mu.Unlock()
			s.mu.Lock()
			s.last = attempt.Key().ID
			s.mu.Unlock()
			return version, nil
		}
		switch verdict {
		case transport.Refused, transport.RefusedUnapplied, transport.Ambiguous:
			if !attempt.Next(ctx, verdict == transport.Ambiguous) {
				return "", errors.New("the login was refused")
			}
		default:
			attempt.Unknown()
			return "", cmp.Or(err, errors.New("the login failed"))
		}
	}
}

// send sends one login. If it succeeds, send returns the version that the exchange
// saw, else the verdict on the answer.
func (s *session) send(ctx context.Context, key source.Key) (version string, v transport.Verdict, err error) {
	message, err := s.profile.Login(key) // contains a credential: send it to the exchange only
	if err != nil {
		return "", v, err
	}
	req, err := s.bot.exchange.Login(ctx, s.bot.url, message)
	if err != nil {
		return "", v, err
	}
	resp, err := s.bot.plain.Do(req)
	if err != nil {
		return "", v, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", v, err
	}
	// The mock answers a login as it answers a request.
	v = s.profile.Classifier(transport.NewAnswer(resp.StatusCode, resp.Header, body))
	if v == transport.Passed && resp.StatusCode == http.StatusOK {
		version = resp.Header.Get(mockapi.VersionHeader)
	}
	return version, v, nil
}

// settle waits up to 2 s for the login with the key in use, and returns the state.
func (s *session) settle() string {
	for range 50 {
		key, err := s.bot.traders.Ring().InUse()
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		if err == nil && key.ID == last {
			return "the last one was with the key in use"
		}
		pause(s.bot.ctx, 40*time.Millisecond)
	}
	return outOfDate
}
