// Package redistest tests source/redis against a real redis-server, which it
// starts itself. It is a module of its own, so that who uses the source is spared
// what the tests need.
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

// A Server is a redis-server on loopback that loses nothing when it is killed.
type Server struct {
	Addr string
	// Client goes straight to the server.
	Client *redis.Client
	dir    string
	cmd    *exec.Cmd
}

// Start starts a server that keeps its data in a directory of its own. An error
// that wraps exec.ErrNotFound says that there is no redis-server.
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

// Restart starts a server that was killed, at the same address.
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

// Kill ends the server without a farewell and keeps its data; Restart brings it back.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Stop ends the server for good.
func (s *Server) Stop() {
	_ = s.Client.Close()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
