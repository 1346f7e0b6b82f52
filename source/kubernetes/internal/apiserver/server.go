//go:build apiserver

package apiserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Server is a kube-apiserver on loopback, with an etcd in the test's process.
type Server struct {
	Addr  string // host:port; does not change
	CA    string // the file with the certificate that signs the server's certificate
	Admin *kubernetes.Clientset
	Log   bytes.Buffer // the server's output; read it after Stop

	dir    string
	store  string // the address of etcd
	etcd   *embed.Etcd
	config *rest.Config // the configuration of Admin
	cmd    *exec.Cmd    // nil after Kill
}

// Start builds and starts a server whose data is in a directory of its own. Call Stop even if
// Start returns an error.
func Start() (*Server, error) {
	dir, err := os.MkdirTemp("", "apiserver")
	s := &Server{dir: dir, CA: filepath.Join(dir, "apiserver.crt")}
	if err != nil {
		return s, err
	}
	// With Go's build cache, only the first build on a machine takes long.
	build := exec.Command("go", "build", "-tags", "apiserver", "-o", s.file("kube-apiserver"), "./cmd/kube-apiserver")
	if out, err := build.CombinedOutput(); err != nil {
		return s, fmt.Errorf("building kube-apiserver: %w\n%s", err, out)
	}
	if s.Addr, err = free(); err != nil {
		return s, err
	}
	token := rand.Text()
	s.config = &rest.Config{
		Host: "https://" + s.Addr, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: s.CA},
	}
	signer, err := newSigner()
	if err != nil {
		return s, err
	}
	err = errors.Join(
		os.WriteFile(s.file("tokens.csv"), []byte(token+`,admin,admin,"system:masters"`), 0o600),
		os.WriteFile(s.file("service-account.key"), signer, 0o600),
	)
	if err != nil {
		return s, err
	}
	if err := s.startStore(); err != nil {
		return s, err
	}
	return s, s.Restart()
}

// Restart starts the API server and returns when it is ready. After Kill it has the same
// address and data as before.
func (s *Server) Restart() error {
	s.Kill()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(s.file("kube-apiserver"),
		"--etcd-servers=http://"+s.store,
		"--bind-address="+host, "--advertise-address="+host, "--secure-port="+port,
		"--cert-dir="+s.dir,               // the server writes a self-signed certificate, apiserver.crt, there
		"--endpoint-reconciler-type=none", // no pod could reach it on loopback
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		"--token-auth-file="+s.file("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+s.file("service-account.key"),
		"--service-account-signing-key-file="+s.file("service-account.key"),
	)
	s.cmd.Stdout, s.cmd.Stderr = &s.Log, &s.Log
	if _, err := s.cmd.StdinPipe(); err != nil { // the command ends when this process does
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the server says that it is ready.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w", err)
		}
	}
}

func (s *Server) ask(ctx context.Context) error {
	if s.Admin == nil { // until the server has written its certificate
		client, err := kubernetes.NewForConfig(s.config)
		if err != nil {
			return err
		}
		s.Admin = client
	}
	return s.Admin.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// Kill kills the API server. Its data stays in etcd.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	s.cmd = nil
}

// Stop ends the server and deletes its data.
func (s *Server) Stop() {
	s.Kill()
	if s.etcd != nil {
		s.etcd.Close()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// newSigner returns a key that signs the tokens of service accounts.
func newSigner() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// free returns a free address on loopback.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
