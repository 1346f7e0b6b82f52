// Package vaulttest starts the Vault server of module vaultserver.
package vaulttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
)

// built is the directory of the server, or empty if no test has built it.
var built string

// build builds the server once for each test binary. With Go's build cache this takes a
// second, except for the first time.
var build = sync.OnceValues(func() (binary string, err error) {
	_, here, _, _ := runtime.Caller(0)
	if built, err = os.MkdirTemp("", "vaultserver"); err != nil {
		return "", err
	}
	binary = filepath.Join(built, "vaultserver")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join(filepath.Dir(here), "..", "vaultserver")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the Vault server: %w\n%s", err, out)
	}
	return binary, nil
})

// Clean removes what was built, if a test has started a server. Call it at the end of TestMain,
// when no test runs any more.
func Clean() {
	if built != "" {
		_ = os.RemoveAll(built)
	}
}

// A Server is a Vault server on loopback, with KV version 2 at secret/ and
// AppRole at auth/approle/.
type Server struct {
	Address, Token string // Token is the root token

	tb   testing.TB
	dir  string
	host string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// Start starts a server that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: tb.TempDir(), host: "127.0.0.1:0"}
	s.Restart()
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			tb.Log(s.log.String())
		}
	})
	return s
}

// Kill ends the process at once.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Restart starts the process. After Kill it has the same data and port as before.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	binary, err := build()
	if err != nil {
		s.tb.Fatal(err)
	}
	cmd := exec.Command(binary, "-dir", s.dir, "-listen", s.host)
	cmd.Stderr = &s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.cmd = cmd
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct{ Address, Token string }
	if err != nil || json.Unmarshal(line, &ready) != nil {
		s.tb.Fatalf("the Vault server did not start: %v", err)
	}
	s.Address, s.Token = ready.Address, ready.Token
	s.host = ready.Address[len("http://"):]
}

// Client returns a client for address with token. The transport's connections
// end with the test.
func Client(tb testing.TB, address, token string, transport *http.Transport) *api.Client {
	tb.Helper()
	tb.Cleanup(transport.CloseIdleConnections)
	client, err := api.NewClient(&api.Config{Address: address, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		tb.Fatal(err)
	}
	client.SetToken(token)
	return client
}
