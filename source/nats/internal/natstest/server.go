// Package natstest tests source/nats with a real server in the test's process. It is a module
// of its own, so that users of the source do not depend on the server.
package natstest

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// A Server is a NATS server with JetStream on loopback.
type Server struct {
	Addr string
	opts *server.Options
	nats *server.Server
}

// Start starts a server whose data is in a directory of its own. Without users, no login is
// needed.
func Start(users ...*server.User) (*Server, error) {
	dir, err := os.MkdirTemp("", "natstest")
	if err != nil {
		return nil, err
	}
	s := &Server{opts: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir,
		NoLog: true, NoSigs: true, Users: users,
	}}
	return s, s.Restart()
}

// Restart starts a killed server at the same address.
func (s *Server) Restart() error {
	if s.Addr != "" {
		if err := listen.Free(s.Addr); err != nil {
			return err
		}
	}
	nats, err := server.NewServer(s.opts.Clone())
	if err != nil {
		return err
	}
	nats.Start()
	if !nats.ReadyForConnections(30 * time.Second) {
		return errors.New("the NATS server is not ready")
	}
	s.nats, s.Addr = nats, nats.Addr().String()
	s.opts.Port = nats.Addr().(*net.TCPAddr).Port
	return nil
}

// Kill ends the server and keeps its data. Restart starts it again.
func (s *Server) Kill() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// Login restarts the server with other users and permissions. The server could reload them,
// but reads its options without a lock where it answers a direct get (nats-server 2.15.2).
func (s *Server) Login(users ...*server.User) error {
	s.Kill()
	s.opts.Users = users
	return s.Restart()
}

// Stop ends the server and deletes its data.
func (s *Server) Stop() {
	s.Kill()
	_ = os.RemoveAll(s.opts.StoreDir)
}
