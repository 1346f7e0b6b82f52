package soak_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// nginx is the gateway: it lets requests through whose key is in its map, and
// tells the server behind it which version that is.
type nginx struct {
	*track
	bin, dir, address, url string
	cmd                    *exec.Cmd
}

// Requests that are out when a worker is replaced are answered.
const config = `
daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	access_log off;
	keepalive_requests 1000000;
	map_hash_bucket_size 256;
	map $http_authorization $key_version {
		default "";
		include %[1]s/keys.map;
	}
	server {
		listen %[2]s;
		location / {
			if ($key_version = "") { return 401; }
			proxy_set_header Key-Version $key_version;
			proxy_pass http://%[3]s;
		}
	}
}
`

// findNginx returns where nginx is, empty if it may be missing and is.
func findNginx(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	const debian = "/usr/sbin/nginx"
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	if os.Getenv("ROLLINGKEYS_REQUIRE") == "1" {
		t.Fatal("nginx is not installed, and ROLLINGKEYS_REQUIRE=1 wants it (Debian: nginx-light)")
	}
	t.Log("nginx is not installed (Debian: nginx-light): no gateway in this soak")
	return ""
}

func startNginx(k *track, bin, upstream string, keys ...source.Key) *nginx {
	k.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	address := ln.Addr().String()
	k.must(ln.Close()) // nginx takes it over
	n := &nginx{track: k, bin: bin, dir: k.t.TempDir(), address: address, url: "http://" + address}
	k.must(os.WriteFile(filepath.Join(n.dir, "nginx.conf"), fmt.Appendf(nil, config, n.dir, address, upstream), 0o600))
	k.t.Cleanup(n.stop)
	n.start(keys...)
	return n
}

func (n *nginx) start(keys ...source.Key) {
	n.writeMap(keys)
	cmd := exec.Command(n.bin, "-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"))
	n.must(cmd.Start())
	n.cmd = cmd
	n.await("nginx listening", func() bool {
		conn, err := net.Dial("tcp", n.address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	n.await("nginx's workers", func() bool { return len(n.workers()) == 2 })
}

// writeMap writes the map file. Strings in a map ignore letter case; anchored
// regular expressions do not.
func (n *nginx) writeMap(keys []source.Key) {
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, "\"~^Bearer %s$\" %s;\n", regexp.QuoteMeta(key.Secret.Expose()), key.Version)
	}
	path := filepath.Join(n.dir, "keys.map")
	n.must(os.WriteFile(path+".new", []byte(b.String()), 0o600))
	n.must(os.Rename(path+".new", path))
}

// reload replaces the keys and returns when the workers with the old ones have gone.
func (n *nginx) reload(keys ...source.Key) {
	n.writeMap(keys)
	old := n.workers()
	n.must(n.cmd.Process.Signal(syscall.SIGHUP))
	n.await("nginx's new workers alone", func() bool {
		now := n.workers()
		return len(now) == 2 && !slices.ContainsFunc(now, func(pid string) bool { return slices.Contains(old, pid) })
	})
}

// restart ends nginx, which answers what it has begun, and starts it again.
func (n *nginx) restart(keys ...source.Key) {
	n.must(n.cmd.Process.Signal(syscall.SIGQUIT))
	_ = n.cmd.Wait()
	n.pause(300 * time.Millisecond)
	n.start(keys...)
}

// workers lists nginx's child processes.
func (n *nginx) workers() []string {
	pid := n.cmd.Process.Pid
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	n.must(err)
	return strings.Fields(string(data))
}

func (n *nginx) stop() {
	if n.cmd == nil || n.cmd.ProcessState != nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // and never SIGKILL: its workers would stay
	_ = n.cmd.Wait()
}
