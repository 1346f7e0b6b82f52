package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A bot places and cancels orders, and reads market data at the same time.
type bot struct {
	exchange *exchange.Exchange
	url      string
	http     *http.Client // signs with the key for the request: reading or trading
	plain    *http.Client // does not sign
	readers  *client.Client
	traders  *client.Client
	profile  provider.Profile
	out      io.Writer

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	orders atomic.Int64
	sends  sync.RWMutex // read-locked while a request is under way

	mu       sync.Mutex
	taken    []string // client order ids of the orders that were confirmed and canceled
	failures []string
	reads    int
	absorbed int
	logins   int
}

func newBot(ctx context.Context, e *exchange.Exchange, p provider.Profile, url string, d *desk, out io.Writer) (*bot, error) {
	b := &bot{exchange: e, profile: p, out: out, url: url, plain: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	var err error
	open := func(c *credential) *client.Client {
		if err != nil {
			return nil
		}
		var made *client.Client
		made, err = client.New(ctx, file.Dir(c.mount.Dir()), client.WithProvider(p),
			client.WithRing(ring.WithLogger(log.With("key", c.name))))
		return made
	}
	b.readers = open(d.reading)
	b.traders = open(d.trades)
	if err != nil {
		b.close()
		return nil, err
	}
	market, err := e.Read(ctx, url)
	if err != nil {
		b.close()
		return nil, err
	}
	b.http = &http.Client{Timeout: 30 * time.Second, Transport: transport.Route(
		transport.Rule{
			Match:     func(req *http.Request) bool { return req.URL.Path == market.URL.Path },
			Transport: b.readers.Transport(),
		},
		transport.Rule{Transport: b.traders.Transport()},
	)}
	return b, nil
}

func (b *bot) start() {
	for range 8 {
		b.loop(b.trade)
	}
	b.loop(b.read)
	if b.profile.Login != nil {
		b.wg.Go(func() {
			if err := b.profile.Session(b.ctx, b.traders.Ring(), b.connect); b.ctx.Err() == nil {
				b.fail(err)
			}
		})
	}
}

// loop calls f again and again. A call under way at the end is not canceled.
func (b *bot) loop(f func(context.Context)) {
	b.wg.Go(func() {
		for b.ctx.Err() == nil {
			f(context.Background())
			pause(b.ctx, 5*time.Millisecond)
		}
	})
}

// finish ends trading and returns the state of the WebSocket session.
func (b *bot) finish() string {
	login := "the exchange has none"
	if b.profile.Login != nil {
		login = b.settle()
	}
	b.cancel()
	b.wg.Wait()
	b.close()
	return login
}

func (b *bot) close() {
	b.cancel()
	b.plain.CloseIdleConnections()
	for _, c := range []*client.Client{b.readers, b.traders} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// trade places one order and cancels it.
func (b *bot) trade(ctx context.Context) {
	id := b.exchange.OrderID(int(b.orders.Add(1)))
	for _, make := range []func(context.Context, string, string) (*http.Request, error){b.exchange.Place, b.exchange.Cancel} {
		err := b.send(ctx, func(ctx context.Context) (*http.Request, error) { return make(ctx, b.url, id) },
			func(status int, body []byte) bool { return b.exchange.Confirmed(status, body, id) })
		if err != nil {
			b.fail(fmt.Errorf("order %s: %w", id, err))
			return
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, id)
}

// read requests market data, with the read-only key.
func (b *bot) read(ctx context.Context) {
	err := b.send(ctx, func(ctx context.Context) (*http.Request, error) { return b.exchange.Read(ctx, b.url) },
		b.exchange.Answered)
	if err != nil {
		b.fail(fmt.Errorf("market data: %w", err))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
}

// settled waits until no request is under way.
func (b *bot) settled() {
	b.sends.Lock()
	defer b.sends.Unlock()
}

// send sends one request and checks its answer.
func (b *bot) send(ctx context.Context, make func(context.Context) (*http.Request, error), good func(int, []byte) bool) error {
	b.sends.RLock()
	defer b.sends.RUnlock()
	ctx, seen := transport.Observe(ctx)
	req, err := make(ctx)
	if err != nil {
		return err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	b.mu.Lock()
	b.absorbed += max(seen.Attempts()-1, 0)
	b.mu.Unlock()
	if err == nil && !good(resp.StatusCode, body) {
		err = fmt.Errorf("status %d with version %s: %.200s", resp.StatusCode, seen.Version(), body)
	}
	return err
}

func (b *bot) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = append(b.failures, err.Error())
}
