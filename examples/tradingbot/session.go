package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// outOfDate is what settle says of a session that is not logged in with the key in use.
const outOfDate = "the last one is out of date"

// A session is what a bot's WebSocket would be: it is logged in with a key, and
// logs in again when the key changes. The message goes to the mock by HTTP.
type session struct {
	bot     *bot
	login   func(source.Key) ([]byte, error)
	out     io.Writer
	changed chan struct{}

	mu   sync.Mutex
	last string // the key id that it is logged in with
}

func newSession(b *bot, login func(source.Key) ([]byte, error), out io.Writer) *session {
	s := &session{bot: b, login: login, out: out, changed: make(chan struct{}, 1)}
	s.changed <- struct{}{} // the first login
	b.traders.Ring().Subscribe(func(e source.Event) {
		switch e.Kind {
		case source.Switched, source.RolledBack, source.FellBack, source.Recovered:
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
		for s.bot.ctx.Err() == nil {
			version, err := s.again(s.bot.ctx)
			if err == nil {
				fmt.Fprintf(s.out, "logged in on the WebSocket with %s\n", version)
				break
			}
			// The exchange may not know this key yet; the ring will say which it takes.
			select {
			case <-s.changed:
			case <-time.After(500 * time.Millisecond):
			case <-s.bot.ctx.Done():
			}
		}
	}
}

// again logs in with the key that requests get now.
func (s *session) again(ctx context.Context) (version string, err error) {
	key, err := s.bot.traders.Ring().InUse()
	if err != nil {
		return "", err
	}
	message, err := s.login(key) // a credential: it goes to the exchange and nowhere else
	if err != nil {
		return "", err
	}
	req, err := s.bot.exchange.Login(ctx, s.bot.url, message)
	if err != nil {
		return "", err
	}
	resp, err := s.bot.plain.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", errors.New("the login was refused")
	}
	s.bot.mu.Lock()
	s.bot.logins++
	s.bot.mu.Unlock()
	s.mu.Lock()
	s.last = key.ID
	s.mu.Unlock()
	return resp.Header.Get(mockapi.VersionHeader), nil
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
