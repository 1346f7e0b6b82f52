package etcdtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/rollingkeys/rollingkeys/source/etcd/internal/etcdtest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
)

// shared is the server of all tests that do not stop their server.
var shared *etcdtest.Server

type tests struct{ *testing.M }

func (m tests) Run() int {
	var err error
	if shared, err = etcdtest.Start(); err != nil {
		panic(err)
	}
	defer shared.Stop()
	return m.M.Run()
}

// F104: after the servers have stopped, no goroutine is left.
func TestMain(m *testing.M) { proxy.VerifyTestMain(tests{m}) }

// dial returns a client of the server or proxy at addr.
func dial(t testing.TB, addr string) *clientv3.Client {
	t.Helper()
	// These tests do not wait for gRPC's own back-off of up to 2 min.
	soon := grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second}})
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{soon}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// keyOf returns the etcd key of a test.
func keyOf(t testing.TB) string {
	return fmt.Sprintf("keys/%s-%d", strings.ReplaceAll(t.Name(), "#", "-"), keys.Add(1))
}

var keys atomic.Int64 // so that a test that runs twice does not find the key of its last run

func put(t testing.TB, client *clientv3.Client, key, value string) int64 {
	t.Helper()
	got, err := client.Put(context.Background(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return got.Header.Revision
}
