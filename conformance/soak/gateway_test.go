package soak_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// gateway is a track behind nginx, whose keys are in a map that a reload
// replaces. The source is a key document, mounted as the kubelet mounts a Secret.
type gateway struct {
	*track
	nginx   *nginx
	dir     string // of the mount
	mounts  int
	current source.Key
}

// newGateway returns nil where there is no nginx.
func newGateway(t *testing.T, from uint64, printed *sweep) *track {
	t.Helper()
	bin := findNginx(t)
	if bin == "" {
		return nil
	}
	g := &gateway{track: newTrack(t, "gateway", from, printed), dir: t.TempDir()}
	g.current = g.issue()
	g.nginx = startNginx(g.track, bin, g.listen(), g.current)
	g.url = g.nginx.url
	g.mount(g.document(g.current))
	g.must(os.Symlink(filepath.Join("..data", "keys"), filepath.Join(g.dir, "keys")))
	g.open(file.New(filepath.Join(g.dir, "keys"), file.WithDecoder(source.Document)), &http.Transport{}, client.WithRetry(5))
	g.steps = map[string]func(){
		"both keys live":       g.bothLive,
		"source first":         g.sourceFirst,
		"server first":         g.serverFirst,
		"rollback":             g.rollback,
		"current key revoked":  g.revoked,
		"bad source, then new": g.badThenNew,
		"restart":              g.restart,
	}
	return g.track
}

// listen starts the server behind nginx, and returns its address: what reaches
// it has been let through.
func (g *gateway) listen() string {
	g.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ledger.attempt(r.Header.Get("X-Request-Id"), r.Header.Get("Key-Version"), true, false)
		g.ledger.apply(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	g.t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}

func (g *gateway) issue() source.Key {
	secret := source.NewSecret(g.newSecret())
	return source.Key{Version: g.version(secret), Secret: secret}
}

func (g *gateway) document(keys ...source.Key) []byte {
	data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
	g.must(err)
	return data
}

// mount replaces the mounted text as the kubelet does (pkg/volume/util/atomic_writer.go).
func (g *gateway) mount(text []byte) {
	g.mounts++
	data := filepath.Join(g.dir, "..data")
	old, _ := os.Readlink(data)
	name := fmt.Sprintf("..2026_11_23_12_00_00.%09d", g.mounts)
	g.must(os.Mkdir(filepath.Join(g.dir, name), 0o700))
	g.must(os.WriteFile(filepath.Join(g.dir, name, "keys"), text, 0o600))
	g.must(os.Symlink(name, data+"_tmp"))
	g.must(os.Rename(data+"_tmp", data))
	if old != "" {
		g.must(os.RemoveAll(filepath.Join(g.dir, old)))
	}
}

func (g *gateway) next(key source.Key) {
	g.served(key.Version)
	g.current = key
}

func (g *gateway) bothLive() {
	old, key := g.current, g.issue()
	g.nginx.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.nginx.reload(key)
}

func (g *gateway) sourceFirst() {
	old, key := g.current, g.issue()
	g.mount(g.document(key, old))
	g.refused(key.Version)
	g.nginx.reload(old, key)
	g.next(key)
	g.nginx.reload(key)
}

// serverFirst: the gateway refuses the old key before the file has the new one.
func (g *gateway) serverFirst() {
	old, key := g.current, g.issue()
	g.nginx.reload(key)
	g.refused(old.Version)
	g.mount(g.document(key))
	g.next(key)
}

func (g *gateway) rollback() {
	old, key := g.current, g.issue()
	g.nginx.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.mount(g.document(old))
	g.next(old)
	g.nginx.reload(old)
}

// revoked: the gateway refuses the current key, and the document lists the one before.
func (g *gateway) revoked() {
	old, key := g.current, g.issue()
	g.nginx.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.nginx.reload(old)
	g.next(old)
	g.mount(g.document(old))
}

// badThenNew: the mount holds no document for a while.
func (g *gateway) badThenNew() {
	old, key := g.current, g.issue()
	whole := g.document(key, old)
	g.mount(whole[:g.rng.IntN(len(whole)-3)])
	g.nginx.reload(old, key)
	g.pause(time.Second)
	g.mount(whole)
	g.next(key)
	g.nginx.reload(key)
}

// restart: nginx ends and comes back with the new key beside the old.
func (g *gateway) restart() {
	old, key := g.current, g.issue()
	g.nginx.restart(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.nginx.reload(key)
}
