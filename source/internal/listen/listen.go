// Package listen is for test servers that are killed and started again at the same address.
package listen

import (
	"net"
	"time"
)

// patience is how long At tries.
const patience = 20 * time.Second

// Free waits until the TCP address is free, for a server that then listens itself.
func Free(addr string) error {
	l, err := At(addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// At listens on a TCP address. While the address is in use, At tries again, for 20 s at most.
// While the server is down, a connection may use the port as its source port. It may even be the
// connection of a client that tries to reach the server, and has so connected to itself.
func At(addr string) (net.Listener, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
	}
}
