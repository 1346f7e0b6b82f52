package natstest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/nats/internal/natstest"
)

// shared is the server of all tests that do not stop their server.
var shared *natstest.Server

type tests struct{ *testing.M }

func (m tests) Run() int {
	var err error
	if shared, err = natstest.Start(); err != nil {
		panic(err)
	}
	defer shared.Stop()
	if err := occupy(shared.Addr); err != nil {
		panic(err)
	}
	return m.M.Run()
}

// occupy creates a bucket that stays. When the last bucket is deleted, the server removes the
// directory of all buckets, sometimes while another bucket is being created.
func occupy(addr string) error {
	nc, err := nats.Connect(addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	_, err = js.CreateKeyValue(context.Background(), jetstream.KeyValueConfig{Bucket: "STAYS"})
	return err
}

// F104: after the servers have stopped, no goroutine is left.
func TestMain(m *testing.M) { proxy.VerifyTestMain(tests{m}) }

// dial returns a connection to the server or proxy at addr. It notices soon that it is lost,
// and reconnects soon.
func dial(t testing.TB, addr string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(addr, append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.Timeout(time.Second),
		nats.PingInterval(500 * time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// connected waits until nc has a connection that works. IsConnected would not do: the client
// may not have noticed yet that its connection was lost.
func connected(t testing.TB, nc *nats.Conn) {
	t.Helper()
	storetest.Eventually(t, "the connection", func() bool { return nc.FlushTimeout(100*time.Millisecond) == nil })
}

// bucketOf returns the name of a test's bucket.
func bucketOf(t testing.TB) string {
	return strings.NewReplacer("/", "_", "#", "_", "=", "-").Replace(t.Name())
}

// bucket creates a bucket with the given history. The bucket ends with the test.
func bucket(t testing.TB, nc *nats.Conn, name string, history uint8) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(context.Background(), jetstream.KeyValueConfig{Bucket: name, History: history})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = js.DeleteKeyValue(context.Background(), name) })
	return kv
}

func put(t testing.TB, kv jetstream.KeyValue, value string) uint64 {
	t.Helper()
	revision, err := kv.PutString(context.Background(), "k", value)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}
