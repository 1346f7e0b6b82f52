package nats

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// dial returns a function that connects to one of the servers.
func dial(servers []string, opts []nats.Option, config *tls.Config) func(context.Context) (*nats.Conn, error) {
	opts = append(opts,
		nats.Timeout(store.Patience), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Second), nats.ReconnectJitter(time.Second, time.Second),
		nats.IgnoreAuthErrorAbort(), // the password may have changed by the next try
		nats.PingInterval(10*time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // the default handler prints
	)
	if config != nil {
		opts = append(opts, nats.Secure(config))
	}
	return func(ctx context.Context) (*nats.Conn, error) {
		life, end := context.WithCancel(context.Background())
		mine := append(slices.Clone(opts), nats.SetCustomDialer(&dialer{life, end}))
		stop := context.AfterFunc(ctx, end) // F78: nats.Connect takes no context
		nc, err := nats.Connect(strings.Join(servers, ","), mine...)
		if stopped := stop(); err == nil && !stopped {
			hangUp(nc)
			err = ctx.Err()
		}
		if err != nil {
			end()
			return nil, err
		}
		return nc, nil
	}
}

// hangUp closes a connection that dial has made.
func hangUp(nc *nats.Conn) {
	// End the dialer first: nc.Close waits for a try to reconnect, for 5 s if the server says
	// nothing.
	nc.Opts.CustomDialer.(*dialer).end()
	nc.Close()
}

// A dialer makes connections. Its dials and connections end when life ends (F104).
type dialer struct {
	life context.Context
	end  context.CancelFunc
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: store.Patience}
	conn, err := nd.DialContext(d.life, network, address)
	if err != nil {
		return nil, err
	}
	return &bound{conn, context.AfterFunc(d.life, func() { _ = conn.Close() })}, nil
}

// bound is a connection that its dialer closes unless it was closed before.
type bound struct {
	net.Conn
	loosen func() bool
}

func (b *bound) Close() error {
	b.loosen()
	return b.Conn.Close()
}
