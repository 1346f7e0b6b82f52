package mockapi

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// WithMemory serves over in-memory connections instead of loopback. Client and
// server can then run in one testing/synctest bubble, whose clock does not advance
// while a goroutine waits for the network. The addresses have made-up ports, which
// only [API.Client] and [API.Dial] reach. Default: loopback.
func WithMemory() Option { return func(c *config) { c.memory = true } }

// Dial connects to one of the server's addresses. A test uses it in a transport of
// its own: http.Transport{DialContext: api.Dial}. Without [WithMemory] it dials
// like net.Dialer, but also finds the server by the host of [WithToken].
func (a *API) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !a.cfg.memory {
		if at, ok := a.listens[address]; ok {
			address = at
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	for _, ln := range a.pipes {
		if ln.Addr().String() == address {
			return ln.dial(ctx)
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("mockapi: no in-memory listener at %s", address)}
}

// open returns a listener for the address.
func (a *API) open(address string) (net.Listener, error) {
	if err := a.cfg.checkAddress(address); err != nil {
		return nil, err
	}
	if !a.cfg.memory {
		return (&net.ListenConfig{}).Listen(a.ctx, "tcp", address)
	}
	ln := &pipeListener{port: len(a.pipes) + 1, conns: make(chan net.Conn), closed: make(chan struct{})}
	a.pipes = append(a.pipes, ln)
	return ln, nil
}

// pipeListener is a net.Listener of in-memory connections.
type pipeListener struct {
	port   int
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr("127.0.0.1:" + strconv.Itoa(l.port)) }

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_, _ = client.Close(), server.Close()
	return nil, &net.OpError{Op: "dial", Net: "pipe", Err: err}
}

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }
