// Package listen is for test servers that are killed and come back at the same
// address.
package listen

import (
	"net"
	"time"
)

// patience is for how long At tries.
const patience = 20 * time.Second

// Free waits until nobody has the TCP address, for a server that listens by itself.
func Free(addr string) error {
	l, err := At(addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// At listens on a TCP address, trying again while it is taken: as long as the
// server is down, the port may be the source port of somebody's connection, even
// of a client's that connects to it and so to itself.
func At(addr string) (net.Listener, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
	}
}
