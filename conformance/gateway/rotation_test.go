package gateway_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"
)

const (
	clients   = 64
	rotations = 40 // of each kind, so 200 in all
	sentinel  = "rksentinel_"
)

// 64 goroutines send requests while the key changes as in a mounted Secret and nginx
// is reloaded. No request fails, and the transport reports the version that nginx
// logged.
//
// F01, F59, F60, F61, F67, F74, F95
func TestRotationsBehindNginx(t *testing.T) {
	for _, kind := range []struct {
		name    string
		overlap time.Duration
		listed  bool // the file is a key document that lists the old key too
		rotate  func(r *rig, old, new string)
	}{
		{"file first, the ring keeps the old key", time.Hour, false, fileFirst},
		{"file first, the file lists the old key", 0, true, fileFirst},
		{"server first and old key refused at once, the ring keeps the old key", time.Hour, false, serverFirst},
		{"server first and old key refused at once, no overlap", 0, false, serverFirst},
		{"both keys live at the server, no overlap at the file", 0, false, bothLive},
	} {
		t.Run(kind.name, func(t *testing.T) {
			r := newRig(t, kind.overlap, kind.listed)
			for n := 1; n <= rotations && !t.Failed(); n++ {
				kind.rotate(r, version(n), version(n+1))
				r.served(version(n + 1))
			}
			r.judge()
		})
	}
}

// fileFirst changes the file first. The gateway refuses the new key until a reload, so
// requests fall back. The second reload drops the old key, so they fall forward.
func fileFirst(r *rig, old, new string) {
	r.write(new, old)
	r.refused(new)
	r.reload(old, new)
	r.reload(new)
}

// serverFirst makes the gateway refuse the old key before the file has the new one.
// Requests wait for it.
func serverFirst(r *rig, old, new string) {
	r.reload(new)
	r.refused(old)
	r.write(new, old)
}

// bothLive adds the new key to the gateway, then changes the file, then drops the old
// key from the gateway.
func bothLive(r *rig, old, new string) {
	r.reload(old, new)
	r.write(new, old)
	r.served(new)
	r.reload(new)
}

func version(n int) string { return fmt.Sprint("v", n) }

// salt makes the secrets of each run different.
var salt = rand.Text()

func secret(version string) string { return sentinel + version + "." + salt }
