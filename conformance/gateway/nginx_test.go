package gateway_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// nginx is the server as an API gateway: it answers 200 to a request with a key
// that is in its map, 401 to any other, and logs which version it found.
type nginx struct {
	t   testing.TB
	dir string
	url string
	cmd *exec.Cmd
}

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
	keepalive_requests 1000000;
	map_hash_bucket_size 256;
	map $http_authorization $key_version {
		default "";
		include %[1]s/keys.map;
	}
	log_format keys '$http_x_request_id "$key_version" $status';
	access_log %[1]s/access.log keys;
	server {
		listen %[2]s;
		location / {
			add_header WWW-Authenticate 'Bearer realm="gateway", error="invalid_token"' always;
			if ($key_version = "") { return 401; }
			return 200 "$key_version";
		}
	}
}
`

// startNginx starts nginx with these keys, secrets by version; it ends with the test.
func startNginx(t testing.TB, keys map[string]string) *nginx {
	t.Helper()
	bin, address := find(t, "nginx", "nginx-light"), freeAddress(t)
	n := &nginx{t: t, dir: t.TempDir(), url: "http://" + address}
	n.writeMap(keys)
	path := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, config, n.dir, address), 0o600); err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(bin, "-p", n.dir, "-c", path)
	start(t, n.cmd, address)
	eventually(t, "nginx's workers", func() bool { return len(n.workers()) == 2 })
	return n
}

// writeMap writes the map file. Strings in a map ignore letter case; anchored
// regular expressions do not.
func (n *nginx) writeMap(keys map[string]string) {
	n.t.Helper()
	var b strings.Builder
	for version, secret := range keys {
		fmt.Fprintf(&b, "\"~^Bearer %s$\" %s;\n", regexp.QuoteMeta(secret), version)
	}
	path := filepath.Join(n.dir, "keys.map")
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		n.t.Fatal(err)
	}
}

// reload replaces the keys and returns when the workers with the old ones have
// gone. Requests that they were answering have been answered.
func (n *nginx) reload(keys map[string]string) {
	n.t.Helper()
	n.writeMap(keys)
	old := n.workers()
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, "nginx's new workers alone", func() bool {
		now := n.workers()
		return len(now) == 2 && !slices.ContainsFunc(now, func(pid string) bool { return slices.Contains(old, pid) })
	})
}

// workers lists nginx's child processes.
func (n *nginx) workers() []string {
	pid := n.cmd.Process.Pid
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		n.t.Fatalf("nginx has died, or this system has no /proc: %v", err)
	}
	return strings.Fields(string(data))
}

// A line is what nginx logged of one attempt.
type line struct {
	version string
	status  int
}

// readLog returns nginx's log by request id.
func (n *nginx) readLog() map[string][]line {
	n.t.Helper()
	f, err := os.Open(filepath.Join(n.dir, "access.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	log := make(map[string][]line)
	for scan := bufio.NewScanner(f); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) != 3 {
			n.t.Fatalf("a line of %d fields in nginx's log", len(fields))
		}
		l := line{version: strings.Trim(fields[1], `"`), status: http.StatusOK}
		if fields[2] != "200" {
			l.status = http.StatusUnauthorized
		}
		log[fields[0]] = append(log[fields[0]], l)
	}
	return log
}
