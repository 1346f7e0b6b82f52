package soak_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/internal/nginx"
	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// gateway is a track with nginx in front of the server. nginx has the keys in a map
// that a reload replaces. The source is a key document in a mounted Secret.
type gateway struct {
	*track
	nginx   *nginx.Server
	volume  *kubelet.Volume
	current source.Key
	behind  string       // the address of the server behind nginx
	open    atomic.Int64 // open connections to the server behind nginx
}

// newGateway returns nil for HTTP/2, and if nginx is not installed and not required.
func newGateway(t *testing.T, l lane, gl *goal, from uint64, printed *sweep) *track {
	t.Helper()
	if l.http2 {
		return nil
	}
	g := &gateway{track: newTrack(t, "gateway", l, gl, from, printed)}
	g.retries = true
	g.current = g.issue()
	g.listen()
	var err error
	g.nginx, err = nginx.Start(t.TempDir(), g.behind, g.current)
	if errors.Is(err, nginx.ErrMissing) && os.Getenv("ROLLINGKEYS_REQUIRE") != "1" {
		t.Logf("%v: this soak runs without the gateway", err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.nginx.Stop)
	if g.volume, err = kubelet.Mount(t.TempDir(), g.document(g.current)); err != nil {
		t.Fatal(err)
	}
	g.url = g.nginx.URL
	g.start(&http.Transport{}, func() source.Source {
		return file.New(g.volume.Path("keys"), file.WithDecoder(source.Document))
	}, client.WithRetry(5))
	g.steps = map[string]func(){
		"both keys live":        g.bothLive,
		"source first":          g.sourceFirst,
		"server first":          g.serverFirst,
		"rollback":              g.rollback,
		"current key revoked":   g.revoked,
		"bad source, then new":  g.badThenNew,
		"gateway killed":        g.killed,
		"requests cut":          g.faulty(cut, g.bothLive),
		"requests answered 503": g.faulty(unavailable, g.sourceFirst),
		"responses lost":        g.faulty(lose, g.bothLive),
	}
	return g.track
}

// listen starts the server behind nginx, which gets the accepted requests.
func (g *gateway) listen() {
	g.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(g.answer), ConnState: func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			g.open.Add(1)
		case http.StateClosed:
			g.open.Add(-1)
		}
	}}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	g.t.Cleanup(func() { _ = srv.Close(); <-done })
	g.behind = ln.Addr().String()
}

func (g *gateway) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/drain" {
		return
	}
	switch g.judge(w, r, r.Header.Get("Key-Version")) {
	case odd:
		w.Header().Set("WWW-Authenticate", `Bearer realm="gateway", error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
	case taken:
		g.serve(w, r)
	}
}

func (g *gateway) issue() source.Key {
	secret := source.NewSecret(g.newSecret())
	return source.Key{Version: g.version(secret), Secret: secret}
}

func (g *gateway) document(keys ...source.Key) map[string]string {
	data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
	g.must(err)
	return map[string]string{"keys": string(data)}
}

func (g *gateway) mount(files map[string]string) { g.must(g.volume.Swap(files)) }

// reload replaces the keys of nginx, which closes the idle connections of its old workers.
func (g *gateway) reload(keys ...source.Key) {
	defer g.history.closing.open(time.Now(), time.Second)()
	g.must(g.nginx.Reload(keys...))
}

func (g *gateway) next(key source.Key) {
	g.served(key.Version)
	g.current = key
}

func (g *gateway) bothLive() {
	old, key := g.current, g.issue()
	g.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.reload(key)
}

func (g *gateway) sourceFirst() {
	old, key := g.current, g.issue()
	g.mount(g.document(key, old))
	g.refused(key.Version)
	g.reload(old, key)
	g.next(key)
	g.reload(key)
}

// serverFirst makes the gateway refuse the old key before the file has the new one.
func (g *gateway) serverFirst() {
	old, key := g.current, g.issue()
	end := g.history.without.open(time.Now(), 0)
	g.reload(key)
	g.refused(old.Version)
	g.mount(g.document(key))
	g.has(key.Version)
	end()
	g.next(key)
}

func (g *gateway) rollback() {
	old, key := g.current, g.issue()
	g.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.mount(g.document(old))
	g.next(old)
	g.reload(old)
}

// revoked makes the gateway refuse the current key; the document lists the previous one.
func (g *gateway) revoked() {
	old, key := g.current, g.issue()
	g.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.reload(old)
	g.next(old)
	g.mount(g.document(old))
}

// badThenNew mounts half a document for a while, and then a new key.
func (g *gateway) badThenNew() {
	old, key := g.current, g.issue()
	whole := g.document(key, old)
	half := whole["keys"][:g.rng.IntN(len(whole["keys"])-3)]
	g.mount(map[string]string{"keys": half})
	g.reload(old, key)
	g.pause(time.Second)
	g.mount(whole)
	g.next(key)
	g.reload(key)
}

// drain waits until the server has handled all requests from the killed nginx. Some
// connections may still wait to be accepted. They are accepted in order, so drain's
// own connection comes after them.
func (g *gateway) drain() {
	last, err := net.Dial("tcp", g.behind)
	g.must(err)
	_, err = io.WriteString(last, "GET /drain HTTP/1.0\r\n\r\n")
	g.must(err)
	_, err = io.Copy(io.Discard, last)
	g.must(errors.Join(err, last.Close()))
	g.await("the connections of the killed nginx are closed", func() bool { return g.open.Load() == 0 })
}

// killed kills nginx while it handles requests, and restarts it with the old and the
// new key.
func (g *gateway) killed() {
	old, key := g.current, g.issue()
	end := g.history.down.open(time.Now(), time.Second)
	g.must(g.nginx.Kill())
	g.drain()
	g.ledger.lost()
	g.pause(300 * time.Millisecond)
	g.must(g.nginx.Start(old, key))
	end()
	g.mount(g.document(key, old))
	g.next(key)
	g.reload(key)
}
