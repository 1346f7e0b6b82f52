package soak_test

import (
	"errors"
	"io"
	"math/rand/v2"
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

// gateway is a track behind nginx, whose keys are in a map that a reload
// replaces. The source is a key document, mounted as the kubelet mounts a Secret.
type gateway struct {
	*track
	nginx   *nginx.Server
	volume  *kubelet.Volume
	current source.Key
	behind  string       // the address of the server behind nginx
	broken  atomic.Int32 // what the server behind nginx does to requests: 0, cut or unavailable
	open    atomic.Int64 // connections to it
}

// What the server behind nginx does to requests.
const (
	cut         = 1
	unavailable = 2
)

// newGateway returns nil where there is no nginx, and there may be none.
func newGateway(t *testing.T, from uint64, printed *sweep) *track {
	t.Helper()
	g := &gateway{track: newTrack(t, "gateway", from, printed)}
	g.current = g.issue()
	g.listen()
	var err error
	g.nginx, err = nginx.Start(t.TempDir(), g.behind, g.current)
	if errors.Is(err, nginx.ErrMissing) && os.Getenv("ROLLINGKEYS_REQUIRE") != "1" {
		t.Logf("%v: no gateway in this soak", err)
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
		"requests cut":          func() { g.broken.Store(cut); g.bothLive(); g.broken.Store(0) },
		"requests answered 503": func() { g.broken.Store(unavailable); g.sourceFirst(); g.broken.Store(0) },
	}
	return g.track
}

// listen starts the server behind nginx: what reaches it has been let through.
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
	how := g.broken.Load()
	if rand.IntN(2) == 0 {
		how = 0
	}
	switch broken := g.ledger.attempt(r.Header.Get("X-Request-Id"), r.Header.Get("Key-Version"), true, how != 0); {
	case !broken:
		g.ledger.apply(w, r)
	case how == cut:
		panic(http.ErrAbortHandler) // nginx makes a 502 of it
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
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

func (g *gateway) reload(keys ...source.Key) { g.must(g.nginx.Reload(keys...)) }

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

// serverFirst: the gateway refuses the old key before the file has the new one.
func (g *gateway) serverFirst() {
	old, key := g.current, g.issue()
	g.reload(key)
	g.refused(old.Version)
	g.mount(g.document(key))
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

// revoked: the gateway refuses the current key, and the document lists the one before.
func (g *gateway) revoked() {
	old, key := g.current, g.issue()
	g.reload(old, key)
	g.mount(g.document(key, old))
	g.next(key)
	g.reload(old)
	g.next(old)
	g.mount(g.document(old))
}

// badThenNew: the mount holds no document for a while.
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

// drain waits for the end of all that nginx had passed on before it was killed.
// A connection may still wait to be accepted; they are accepted in order, so that
// one of ours comes after it.
func (g *gateway) drain() {
	last, err := net.Dial("tcp", g.behind)
	g.must(err)
	_, err = io.WriteString(last, "GET /balance HTTP/1.0\r\nX-Request-Id: drain\r\n\r\n")
	g.must(err)
	_, err = io.Copy(io.Discard, last)
	g.must(errors.Join(err, last.Close()))
	g.ledger.show("drain")
	g.await("the end of what nginx had passed on", func() bool { return g.open.Load() == 0 })
}

// killed: nginx is killed with requests in it, and comes back with the new key
// beside the old.
func (g *gateway) killed() {
	old, key := g.current, g.issue()
	g.must(g.nginx.Kill())
	g.drain()
	g.ledger.lost()
	g.pause(300 * time.Millisecond)
	g.must(g.nginx.Start(old, key))
	g.mount(g.document(key, old))
	g.next(key)
	g.reload(key)
}
