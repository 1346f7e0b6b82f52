package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// A desk controls both ends of the two keys: the exchange and the mounted files.
type desk struct {
	api             *mockapi.API
	reading, trades *credential
}

// A credential is one of the two keys, with its mount.
type credential struct {
	name    string
	scope   string
	mount   *kubelet.Volume
	current source.Key
}

func newDesk(api *mockapi.API) (*desk, error) {
	d := &desk{api: api, reading: &credential{name: "read-only", scope: "read"}, trades: &credential{name: "trading", scope: "trade"}}
	for _, c := range []*credential{d.reading, d.trades} {
		c.current = api.Issue(c.spec())
		var err error
		if c.mount, err = mount(c.current); err != nil {
			d.remove()
			return nil, err
		}
	}
	return d, nil
}

func (c *credential) spec() mockapi.Spec { return mockapi.Spec{Scopes: []string{c.scope}} }

func (c *credential) mounted(key source.Key) error {
	c.current = key
	return c.mount.Swap(kubelet.Files(key))
}

func (d *desk) remove() {
	for _, c := range []*credential{d.reading, d.trades} {
		if c.mount != nil {
			_ = os.RemoveAll(c.mount.Dir())
		}
	}
}

// steps are the ways to rotate a key. None of them waits for the bot.
var steps = []struct {
	name string
	run  func(context.Context, *mockapi.API, *credential) error
}{
	{"exchange first, then the files", exchangeFirst},
	{"files first: the exchange does not know the new key yet", filesFirst},
	{"no overlap: the old key is revoked when the new one is mounted", atOnce},
	{"no overlap: the old key is revoked before the new one is mounted", noOverlap},
}

// drill rotates both keys at the same time in every way, rounds times or until ctx
// ends. Between two rotations it calls settled: while a request is under way, its
// attempts can follow one rotation without an overlap, but not two.
func drill(ctx context.Context, d *desk, exchange string, rounds int, settled func(), out io.Writer) error {
	// A rotation is always finished: otherwise the books would not show its outcome.
	whole := context.WithoutCancel(ctx)
	pause(whole, 200*time.Millisecond)
	for range rounds {
		for i, step := range steps {
			if ctx.Err() != nil {
				return nil
			}
			if exchange == "binance" && i == len(steps)-1 {
				// Binance answers -2015 to a revoked key, which is ambiguous: the client
				// reads the files once and does not wait for them to change.
				continue
			}
			settled()
			fmt.Fprintf(out, "both keys: %s\n", step.name)
			both := make(chan error)
			for _, c := range []*credential{d.trades, d.reading} {
				go func() { both <- step.run(whole, d.api, c) }()
			}
			if err := errors.Join(<-both, <-both); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

func exchangeFirst(ctx context.Context, api *mockapi.API, c *credential) error {
	old, next := c.current, api.Issue(c.spec())
	pause(ctx, 200*time.Millisecond)
	if err := c.mounted(next); err != nil {
		return err
	}
	pause(ctx, 400*time.Millisecond)
	return api.Revoke(old.Version)
}

func filesFirst(ctx context.Context, api *mockapi.API, c *credential) error {
	spec := c.spec()
	spec.Inactive = true
	old, next := c.current, api.Issue(spec)
	if err := c.mounted(next); err != nil {
		return err
	}
	pause(ctx, 400*time.Millisecond)
	if err := api.Activate(next.Version); err != nil {
		return err
	}
	pause(ctx, 1500*time.Millisecond) // the first probe is sent after one second
	return api.Revoke(old.Version)
}

func atOnce(ctx context.Context, api *mockapi.API, c *credential) error {
	old, next := c.current, api.Issue(c.spec())
	if err := c.mounted(next); err != nil {
		return err
	}
	if err := api.Revoke(old.Version); err != nil {
		return err
	}
	pause(ctx, 400*time.Millisecond)
	return nil
}

func noOverlap(ctx context.Context, api *mockapi.API, c *credential) error {
	next := api.Issue(c.spec())
	if err := api.Revoke(c.current.Version); err != nil {
		return err
	}
	pause(ctx, 300*time.Millisecond)
	if err := c.mounted(next); err != nil {
		return err
	}
	pause(ctx, 400*time.Millisecond)
	return nil
}
