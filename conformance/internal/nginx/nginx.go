// Package nginx runs nginx as an API gateway for tests. The gateway accepts requests
// with a key of its map, as "Authorization: Bearer SECRET", and refuses all others
// with 401. A reload replaces the map.
//
//	n, err := nginx.Start(t.TempDir(), "", key)
//	defer n.Stop()
//	err = n.Reload(next, key)
//
// The package does not use testing.T, because the soak test calls it outside the
// test's goroutine. A Server is not safe for concurrent use.
package nginx

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// ErrMissing means that nginx is not installed.
var ErrMissing = errors.New("nginx is not installed (Debian package: nginx-light)")

// limit is how long to wait for nginx to start, reload or quit.
const limit = 20 * time.Second

// A Server is an nginx with two workers.
type Server struct {
	// URL is its base URL, without a trailing slash.
	URL string

	bin, dir, address string
	cmd               *exec.Cmd
}

// config is nginx's configuration. Its arguments are the directory, the address, and
// the directives for accepted requests. A worker that is replaced answers its
// requests in flight. worker_shutdown_timeout is for connections without a request,
// as net/http may keep them: they would keep the worker running for a minute.
const config = `
daemon off;
worker_processes 2;
worker_shutdown_timeout 3s;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	client_body_buffer_size 1m; # when started by root, nginx cannot write larger bodies to the directory
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	map_hash_bucket_size 256;
	map $http_authorization $key_version {
		default "";
		include %[1]s/keys.map;
	}
	log_format keys '$http_x_request_id "$key_version" $status';
	server {
		listen %[2]s;
		location / {
			add_header WWW-Authenticate 'Bearer realm="gateway", error="invalid_token"' always;
			if ($key_version = "") { return 401; }
			%[3]s
		}
	}
}
`

// Start starts nginx with these keys in the empty directory dir, and returns when
// nginx listens. It sends accepted requests to the server at upstream, HOST:PORT,
// with the version in the header Key-Version. If upstream is empty, nginx itself
// answers 200 with the version, and writes a log; see [Server.Log]. The caller must
// call [Server.Stop]. The error is [ErrMissing] if nginx is not installed.
func Start(dir, upstream string, keys ...source.Key) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil { // free the port for nginx
		return nil, err
	}
	n := &Server{URL: "http://" + address, bin: bin, dir: dir, address: address}
	through := `return 200 "$key_version";`
	log := "access_log " + dir + "/access.log keys;"
	if upstream != "" {
		through = "proxy_set_header Key-Version $key_version; proxy_pass http://" + upstream + ";"
		log = "access_log off;" // it would grow in a long soak
	}
	text := fmt.Sprintf(config, dir, address, through+" "+log)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return n, n.Start(keys...)
}

func find() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/nginx"
	if _, err := os.Stat(debian); err != nil {
		return "", ErrMissing
	}
	return debian, nil
}

// Start starts nginx again after [Server.Kill].
func (n *Server) Start(keys ...source.Key) error {
	if err := n.writeMap(keys); err != nil {
		return err
	}
	n.cmd = exec.Command(n.bin, "-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"))
	n.cmd.Stdout, n.cmd.Stderr = os.Stderr, os.Stderr
	if err := n.cmd.Start(); err != nil {
		return err
	}
	if err := await("nginx listens with two workers", func() bool { return n.listens() && len(n.workers()) == 2 }); err != nil {
		n.Stop()
		return err
	}
	return nil
}

// writeMap writes the map file. It uses anchored regular expressions, because nginx
// ignores letter case in the plain strings of a map.
func (n *Server) writeMap(keys []source.Key) error {
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, "\"~^Bearer %s$\" %s;\n", regexp.QuoteMeta(key.Secret.Expose()), key.Version)
	}
	path := filepath.Join(n.dir, "keys.map")
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Reload replaces the keys. It returns when the old workers have ended; they have
// answered and logged their requests in flight.
func (n *Server) Reload(keys ...source.Key) error {
	if err := n.writeMap(keys); err != nil {
		return err
	}
	old := n.workers()
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return await("nginx has replaced its workers", func() bool {
		now := n.workers()
		return len(now) == 2 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(old, pid) })
	})
}

// Kill ends nginx and its workers with SIGKILL. Requests in flight get no response, or
// an incomplete one.
func (n *Server) Kill() error {
	n.kill()
	_ = n.cmd.Wait()
	return await("nginx no longer listens", func() bool { return !n.listens() })
}

func (n *Server) kill() {
	workers := n.workers()
	_ = n.cmd.Process.Kill() // first: the master process restarts killed workers
	for _, pid := range workers {
		if worker, err := os.FindProcess(pid); err == nil {
			_ = worker.Kill()
		}
	}
}

// Quit ends nginx and returns when it has answered and logged the requests in flight.
// If a client does not close its connection, this may take 3 s.
func (n *Server) Quit() error {
	if err := n.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	timer := time.AfterFunc(limit, n.kill)
	err := n.cmd.Wait()
	if !timer.Stop() {
		return fmt.Errorf("nginx did not quit within %v", limit)
	}
	return err
}

// Stop ends nginx at once. It cuts off requests in flight, and the log may lack the
// last responses.
func (n *Server) Stop() {
	if n.cmd == nil || n.cmd.ProcessState != nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(limit, n.kill)
	defer timer.Stop()
	_ = n.cmd.Wait()
}

func (n *Server) listens() bool {
	conn, err := net.Dial("tcp", n.address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// workers returns the process IDs of nginx's workers, none if nginx has ended.
func (n *Server) workers() []int {
	pid := n.cmd.Process.Pid
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var list []int
	for text := range strings.FieldsSeq(string(data)) {
		var child int
		if _, err := fmt.Sscan(text, &child); err == nil {
			list = append(list, child)
		}
	}
	return list
}

func await(what string, ok func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			return fmt.Errorf("waited %v in vain for: %s", limit, what)
		}
	}
	return nil
}
