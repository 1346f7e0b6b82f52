package natstest_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/nats/internal/natstest"
)

// F104, F106: a ring is closed while its client reconnects to a server that says nothing. The
// client's locks do not delay Close until the handshake times out, and the client does not
// connect again.
func TestCloseWhileReconnecting(t *testing.T) {
	s, err := natstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "KEYS"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, kv, conformance.NewKey(1).Secret.Expose())
	src, _, err := source.Parse("nats://" + s.Addr + "/KEYS/k")
	if err != nil {
		t.Fatal(err)
	}
	ring, _ := storetest.Keep(t, src)
	put(t, kv, conformance.NewKey(2).Secret.Expose())
	storetest.Uses(t, ring, 2) // by a notification, so the watch has begun
	nc.Close()
	s.Stop()

	mute, err := net.Listen("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int32
	first := make(chan net.Conn, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if accepted.Add(1) == 1 {
				first <- conn
			}
		}
	}()
	defer func() { mute.Close(); <-done }()
	conn := <-first
	ring.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the client speaks first")
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections were made before the ring was closed and the first had ended: want 1", n)
	}
}
