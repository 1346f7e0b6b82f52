// Package redistest tests source/redis with a real redis-server, which it starts itself. It
// is a module of its own, so that users of the source do not depend on what the tests need.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// A Server is a redis-server on loopback that loses no data when it is killed.
type Server struct {
	Addr string
	// Client is connected to the server without a proxy.
	Client *redis.Client
	dir    string
	cmd    *exec.Cmd
}

// Start starts a server whose data is in a directory of its own. The error wraps
// exec.ErrNotFound if redis-server is not installed.
func Start() (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String(), dir: dir}
	_ = l.Close()
	s.Client = redis.NewClient(&redis.Options{Addr: s.Addr})
	return s, s.Restart()
}

// Restart starts a killed server at the same address.
func (s *Server) Restart() error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	if err := listen.Free(s.Addr); err != nil {
		return err
	}
	s.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--notify-keyspace-events", "K$hgx", "--daemonize", "no")
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.Client.Ping(ctx).Err() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", ctx.Err())
		}
	}
	return nil
}

// Kill kills the server and keeps its data. Restart starts it again.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Stop ends the server and deletes its data.
func (s *Server) Stop() {
	_ = s.Client.Close()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
