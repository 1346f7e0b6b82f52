package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how long a test waits for a condition.
const limit = 20 * time.Second

// find returns the path of a server's program. If it is not installed, the test is
// skipped, or fails with ROLLINGKEYS_REQUIRE=1, which make test sets.
func find(t testing.TB, name, debian string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	if os.Getenv("ROLLINGKEYS_REQUIRE") == "1" {
		t.Fatalf("%s is not installed, but ROLLINGKEYS_REQUIRE=1 requires it (Debian package: %s)", name, debian)
	}
	t.Skipf("%s is not installed (Debian package: %s)", name, debian)
	return ""
}

// freeAddress returns an unused address on loopback.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// start starts a server and returns when it listens on address. The server is stopped
// when the test ends.
func start(t testing.TB, cmd *exec.Cmd, address string) {
	t.Helper()
	if cmd.Stdout == nil {
		cmd.Stdout = os.Stderr
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd) })
	eventually(t, cmd.Path+" listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func stop(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
}

// listeners counts the sockets that listen on the ports of these addresses, from
// Linux's /proc/net/tcp. With SO_REUSEPORT a port may have several.
func listeners(addresses ...string) int {
	data, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	ports := make(map[string]bool)
	for _, address := range addresses {
		if a, err := netip.ParseAddrPort(address); err == nil {
			ports[fmt.Sprintf("%04X", a.Port())] = true
		}
	}
	const listen = "0A"
	n := 0
	for line := range strings.Lines(string(data)) { // 0: 0100007F:9C40 00000000:0000 0A ...
		if f := strings.Fields(line); len(f) > 3 && f[3] == listen {
			if _, port, _ := strings.Cut(f[1], ":"); ports[port] {
				n++
			}
		}
	}
	return n
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if err := await(t.Context(), what, ok); err != nil {
		t.Fatal(err)
	}
}

// await waits until ok returns true, for at most limit.
func await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for: %s", what)
		}
	}
	return nil
}
