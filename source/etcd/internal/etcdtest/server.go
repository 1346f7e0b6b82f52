// Package etcdtest tests source/etcd with a real etcd in the test's process. It is a module
// of its own, so that users of the source do not depend on the server.
package etcdtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// A Server is an etcd with one member on loopback.
type Server struct {
	Addr string
	peer string
	dir  string
	etcd *embed.Etcd
	// Client is logged in as root and connected to the server without a proxy.
	Client *clientv3.Client
}

// Start starts a server whose data is in a directory of its own.
func Start() (*Server, error) {
	dir, err := os.MkdirTemp("", "etcdtest")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if s.Addr, err = free(); err != nil {
		return nil, err
	}
	if s.peer, err = free(); err != nil {
		return nil, err
	}
	if err := s.run(); err != nil {
		return nil, err
	}
	s.Client, err = clientv3.New(clientv3.Config{Endpoints: []string{s.Addr}, Logger: zap.NewNop()})
	return s, err
}

func (s *Server) run() error {
	config := embed.NewConfig()
	config.Dir = s.dir
	config.LogLevel = "fatal"
	config.LogOutputs = []string{"/dev/null"}
	config.AuthTokenTTL = 1 // seconds: logins expire during a test
	config.UnsafeNoFsync = true
	config.BcryptCost = 4 // the lowest cost, since tests log in often
	client, peer := url.URL{Scheme: "http", Host: s.Addr}, url.URL{Scheme: "http", Host: s.peer}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		etcd.Close()
		return fmt.Errorf("etcd is not ready")
	}
	s.etcd = etcd
	return nil
}

// Kill ends the server and keeps its data. Restart starts it again.
func (s *Server) Kill() { s.etcd.Close() }

// Restart starts a killed server at the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := listen.Free(s.Addr); err != nil {
		t.Fatal(err)
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server and deletes its data.
func (s *Server) Stop() {
	_ = s.Client.Close()
	s.etcd.Close()
	_ = os.RemoveAll(s.dir)
}

// free returns a free address on loopback.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
