package storetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Listener is the listener of a test server. It counts the connections.
type Listener struct {
	net.Listener
	accepted, open atomic.Int64
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.accepted.Add(1)
	l.open.Add(1)
	return &connection{conn, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type connection struct {
	net.Conn
	closed func()
}

func (c *connection) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// Gone waits until no connection is open. There must have been one.
func (l *Listener) Gone(t testing.TB) {
	t.Helper()
	Eventually(t, "the end of the connections", func() bool { return l.open.Load() == 0 })
	if l.accepted.Load() == 0 {
		t.Error("there was no connection")
	}
}
