package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// The map has hashes, so that no key is in its file or on the admin socket.
const haproxyConfig = `
global
	stats socket %[1]s/admin.sock mode 600 level admin
	log stdout format raw local0
defaults
	mode http
	log global
	timeout client 30s
	timeout server 30s
	timeout connect 5s
frontend gateway
	bind %[2]s
	http-request capture req.hdr(X-Request-Id) len 64
	http-request set-var(txn.version) req.fhdr(Authorization),sha2(256),hex,lower,map(%[1]s/keys.map)
	log-format "%%[capture.req.hdr(0)] <%%[var(txn.version)]> %%ST"
	http-request return status 401 hdr WWW-Authenticate "Bearer realm=gateway" unless { var(txn.version) -m found }
	http-request return status 200 content-type text/plain lf-string "%%[var(txn.version)]"
`

// HAProxy passes the same suite as the mock API. Its keys are in a map that changes
// over the admin socket, without a reload.
func TestHAProxyAPI(t *testing.T) {
	bin, address, dir := find(t, "haproxy", "haproxy"), freeAddress(t), t.TempDir()
	h := &haproxy{dir: dir, mapFile: filepath.Join(dir, "keys.map")}
	if err := os.WriteFile(h.mapFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, fmt.Appendf(nil, haproxyConfig, dir, address), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bin, "-db", "-f", path)
	cmd.Stdout = log
	start(t, cmd, address)
	eventually(t, "haproxy answers on its admin socket", func() bool { _, err := h.command("show version"); return err == nil })
	conformance.TestAPI(t, "http://"+address, conformance.APIAdmin{Accept: h.accept, Logged: h.logged})
}

type haproxy struct{ dir, mapFile string }

// accept replaces the map in one transaction. It writes the file first: after a
// reload, HAProxy would read a revoked key from an old file.
func (h *haproxy) accept(_ context.Context, keys ...source.Key) error {
	var entries strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&entries, "%x %s\n", sha256.Sum256([]byte("Bearer "+key.Secret.Expose())), key.Version)
	}
	if err := os.WriteFile(h.mapFile, []byte(entries.String()), 0o600); err != nil {
		return err
	}
	answer, err := h.command("prepare map " + h.mapFile)
	if err != nil {
		return err
	}
	_, version, ok := strings.Cut(answer, "New version created: ")
	if !ok {
		return errors.New(`haproxy did not answer "prepare map" with a new version`)
	}
	var commands []string
	for line := range strings.Lines(entries.String()) {
		commands = append(commands, fmt.Sprintf("add map @%s %s %s", version, h.mapFile, strings.TrimSpace(line)))
	}
	for _, c := range append(commands, fmt.Sprintf("commit map @%s %s", version, h.mapFile)) {
		if answer, err := h.command(c); err != nil {
			return err
		} else if answer != "" {
			return errors.New("haproxy refused to change its map")
		}
	}
	return nil
}

// command sends one command on a new connection and returns the response.
func (h *haproxy) command(line string) (string, error) {
	conn, err := net.Dial("unix", filepath.Join(h.dir, "admin.sock"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return strings.TrimSpace(string(answer)), err
}

func (h *haproxy) logged(ctx context.Context, id string) ([]string, error) {
	for ctx.Err() == nil {
		f, err := os.Open(filepath.Join(h.dir, "log"))
		if err != nil {
			return nil, err
		}
		var list []string
		for scan := bufio.NewScanner(f); scan.Scan(); {
			if fields := strings.Fields(scan.Text()); len(fields) == 3 && fields[0] == id {
				version := strings.Trim(fields[1], "<>")
				if version == "-" { // haproxy logs - for a variable that is not set
					version = ""
				}
				list = append(list, version)
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, ctx.Err()
}
