package provider_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A venue is an exchange with a WebSocket-like endpoint: an HTTP/1.1 connection that is
// upgraded, and then carries one JSON message a line. It greets, and takes Bybit's login.
// It runs over in-memory connections, so that it can be in a synctest bubble.
type venue struct {
	ln chan net.Conn // to Accept

	mu      sync.Mutex
	secrets map[string]string // by key id: what it takes now
	logins  []string          // "id" or "id refused", in order
	at      []time.Time       // when
	open    map[string][]net.Conn
	now     int  // connections of clients
	most    int  // of these at a time
	mute    bool // does not answer logins
	down    bool // cannot be dialed
	dials   int
}

func newVenue(t *testing.T, ids ...string) *venue {
	v := &venue{ln: make(chan net.Conn), secrets: map[string]string{}, open: map[string][]net.Conn{}}
	v.accept(ids...)
	srv := &http.Server{Handler: v}
	go func() { _ = srv.Serve(v) }()
	t.Cleanup(func() { _ = srv.Close() })
	return v
}

func (v *venue) Accept() (net.Conn, error) {
	if c, ok := <-v.ln; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (v *venue) Close() error   { close(v.ln); return nil }
func (v *venue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (v *venue) accept(ids ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		v.secrets[id] = "sentinel-" + id
	}
}

// revoke no longer accepts these keys, and ends their connections.
func (v *venue) revoke(ids ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		delete(v.secrets, id)
		for _, c := range v.open[id] {
			_ = c.Close()
		}
	}
}

// set changes a setting.
func (v *venue) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

// log returns the logins so far and forgets them.
func (v *venue) log() (logins []string, at []time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	logins, at = v.logins, v.at
	v.logins, v.at = nil, nil
	return logins, at
}

// connected returns how many connections are logged in with that key.
func (v *venue) connected(id string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.open[id])
}

func (v *venue) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n{\"op\":\"hello\"}\n")
	line, err := buf.ReadBytes('\n')
	if err != nil {
		return
	}
	var m struct{ Args []any }
	if json.Unmarshal(line, &m) != nil || len(m.Args) != 3 {
		return
	}
	id, _ := m.Args[0].(string)
	expires, _ := m.Args[1].(float64)
	v.mu.Lock()
	ok := v.secrets[id] != "" && m.Args[2] == hmacHex(v.secrets[id], "GET/realtime"+strconv.FormatInt(int64(expires), 10))
	mute := v.mute
	if ok && !mute {
		v.open[id] = append(v.open[id], conn)
		v.logins = append(v.logins, id)
	} else {
		v.logins = append(v.logins, id+" refused")
	}
	v.at = append(v.at, time.Now())
	v.mu.Unlock()
	switch {
	case mute:
	case !ok:
		_, _ = io.WriteString(conn, `{"op":"auth","retCode":10004,"retMsg":"invalid sign"}`+"\n")
		return
	default:
		_, _ = io.WriteString(conn, `{"op":"auth","retCode":0,"retMsg":"OK"}`+"\n")
	}
	_, _ = io.Copy(io.Discard, buf) // until the client goes
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, c := range v.open[id] {
		if c == conn {
			v.open[id] = append(v.open[id][:i:i], v.open[id][i+1:]...)
			break
		}
	}
}

// dial opens a connection, which ends with ctx.
func (v *venue) dial(ctx context.Context) (write func([]byte) error, read func() ([]byte, error), hangUp func(), err error) {
	v.mu.Lock()
	v.dials++
	down := v.down
	v.mu.Unlock()
	client, server := net.Pipe()
	if down {
		return nil, nil, nil, fmt.Errorf("dial: %w", io.ErrUnexpectedEOF)
	}
	select {
	case v.ln <- server:
	case <-ctx.Done():
		return nil, nil, nil, ctx.Err()
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	v.set(func() { v.now++; v.most = max(v.most, v.now) })
	hangUp = func() { stop(); _ = client.Close(); v.set(func() { v.now-- }) }
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: venue\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"); err != nil {
		hangUp()
		return nil, nil, nil, err
	}
	in := bufio.NewReader(client)
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		hangUp()
		return nil, nil, nil, fmt.Errorf("no upgrade: %v", err)
	}
	write = func(m []byte) error { _, err := client.Write(append(m, '\n')); return err }
	read = func() ([]byte, error) { return in.ReadBytes('\n') }
	return write, read, hangUp, nil
}

// connect is a bot's: it logs in and reads until the connection ends.
func (v *venue) connect(ctx context.Context, login *provider.Login) error {
	write, read, hangUp, err := v.dial(ctx)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := login.Do(write, read); err != nil {
		return err
	}
	for {
		if _, err := read(); err != nil {
			return err
		}
	}
}

// pairs lists keys by their ids, newest first, as one reading of a source.
func pairs(ids ...string) source.Set {
	set := source.Set{Complete: true}
	for _, id := range ids {
		set.Keys = append(set.Keys, source.Key{Version: id, ID: id, Secret: source.NewSecret("sentinel-" + id)})
	}
	return set
}

// A desk is a source whose set a test changes.
type desk struct {
	mu  sync.Mutex
	set source.Set
}

func (d *desk) put(set source.Set) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set = set
}

func (d *desk) Read(context.Context) (source.Set, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set, nil
}

// A stay is a Session that runs.
type stay struct {
	keys   *ring.Ring
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// put has the source list these keys, newest first, and the ring read them.
func (s *stay) put(t *testing.T, d *desk, set source.Set) {
	t.Helper()
	d.put(set)
	if err := s.keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// begin runs a Session of p with connect.
func begin(t *testing.T, p provider.Profile, src source.Source, connect func(context.Context, *provider.Login) error, opts ...ring.Option) *stay {
	t.Helper()
	keys, err := ring.Keep(t.Context(), src, append([]ring.Option{ring.WithLogger(nil), ring.WithPoll(time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	s := &stay{keys: keys, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = p.Session(ctx, keys, connect)
	}()
	t.Cleanup(func() { cancel(); <-s.done })
	return s
}

// status returns how a version stands.
func (s *stay) status(t *testing.T, version string) ring.VersionStatus {
	t.Helper()
	for _, v := range s.keys.Status().Versions {
		if v.Version == version {
			return v
		}
	}
	t.Fatalf("no version %q", version)
	return ring.VersionStatus{}
}
