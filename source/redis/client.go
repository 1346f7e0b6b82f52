package redis

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// opened is a client with a function that ends its dials.
type opened struct {
	*redis.Client
	end context.CancelFunc // nil if the caller made the client and closes it
}

func (o *opened) close() {
	o.end()
	_ = o.Close()
}

// dialer returns a Dialer whose dials end with life (F104). The client dials in the
// background without the command's context, and its Close does not end a dial. The default
// dialer for TLS ignores every context.
func dialer(life context.Context, config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: store.Patience}
	dial := plain.DialContext
	if config != nil {
		dial = (&tls.Dialer{NetDialer: plain, Config: config}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		return dial(ctx, network, addr)
	}
}
