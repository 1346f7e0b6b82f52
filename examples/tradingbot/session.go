package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// outOfDate is the state of a session that is not logged in with the key in use.
const outOfDate = "the session is not logged in with the key in use"

// connect is one connection of the bot's WebSocket: it logs in, and stays until another
// connection is logged in with another key. The mock takes the login message over HTTP.
func (b *bot) connect(ctx context.Context, login *provider.Login) error {
	var answer []byte
	write := func(message []byte) error { // a credential: to the exchange only
		req, err := b.exchange.Login(ctx, b.url, message)
		if err != nil {
			return err
		}
		answer, err = b.fetch(req)
		return err
	}
	read := func() (message []byte, err error) {
		if message, answer = answer, nil; message == nil {
			err = io.EOF
		}
		return message, err
	}
	if err := login.Do(write, read); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "logged in on the WebSocket with %s\n", login.Version())
	b.mu.Lock()
	b.logins++
	b.mu.Unlock()
	<-ctx.Done() // a real bot reads its messages here
	return ctx.Err()
}

// fetch sends a request without a key, and returns the body of the answer.
func (b *bot) fetch(req *http.Request) ([]byte, error) {
	resp, err := b.plain.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// settle waits up to 2 s for the session to be logged in with the key in use, and returns
// the state.
func (b *bot) settle() string {
	for range 50 {
		for _, v := range b.traders.Status().Versions {
			if v.Pins == 1 && v.Version == b.traders.Ring().Version() {
				return "the session is logged in with the key in use"
			}
		}
		pause(b.ctx, 40*time.Millisecond)
	}
	return outOfDate
}
