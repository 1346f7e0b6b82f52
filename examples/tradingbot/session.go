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

// outOfDate is what settle says of a session that is not logged in with the key in use.
const outOfDate = "the last one is out of date"

// A session is what a bot's WebSocket would be: it is logged in with a key, and
// logs in again when the key changes. The message goes to the mock by HTTP.
type session struct {
	bot     *bot
	profile provider.Profile
	out     io.Writer
	changed chan struct{}

	mu   sync.Mutex
	last string // the key id that it is logged in with
}

func newSession(b *bot, p provider.Profile, out io.Writer) *session {
	s := &session{bot: b, profile: p, out: out, changed: make(chan struct{}, 1)}
	s.changed <- struct{}{} // the first login
	b.traders.Ring().Subscribe(func(e ring.Event) {
		switch e.Kind {
		case ring.Switched, ring.RolledBack, ring.FellBack, ring.Recovered:
			select {
			case s.changed <- struct{}{}:
			default: // one is due already
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
			// The exchange knows none of the keys, or does not answer. An exchange
			// counts logins too: do not hurry.
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

// again logs in with the key that requests get now, or with another one if the
// exchange refuses that. It tells the ring what it learns of the keys, as a bot
// must that sends no requests besides: nobody else would.
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

// send sends one login; a version means that it succeeded, else the verdict says
// why not.
func (s *session) send(ctx context.Context, key source.Key) (version string, v transport.Verdict, err error) {
	message, err := s.profile.Login(key) // a credential: it goes to the exchange and nowhere else
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
	// The mock answers to a login as to a request.
	v = s.profile.Classifier(transport.NewAnswer(resp.StatusCode, resp.Header, body))
	if v == transport.Passed && resp.StatusCode == http.StatusOK {
		version = resp.Header.Get(mockapi.VersionHeader)
	}
	return version, v, nil
}

// settle waits a moment for the login with the key in use, and says how it stands.
func (s *session) settle() string {
	for range 50 {
		key, err := s.bot.traders.Ring().InUse()
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		if err == nil && key.ID == last {
			return "the last one with the key in use"
		}
		pause(s.bot.ctx, 40*time.Millisecond)
	}
	return outOfDate
}
