package remote_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/listen"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// keep keeps src in a ring until the test ends.
func keep(t *testing.T, src source.Source, opts ...ring.Option) *ring.Ring {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	keys, err := ring.Keep(ctx, src, append(opts, ring.WithLogger(nil))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	return keys
}

// A ring that polls once an hour switches at once because of the long poll.
func TestARingSwitchesByLongPoll(t *testing.T) {
	e := newEndpoint(t, "v0")
	e.hold = true
	keys := keep(t, open(t, e.Server), ring.WithPoll(time.Hour))
	for i := range 50 {
		v := fmt.Sprintf("v%d", i+1)
		e.set(document(v), `"`+v+`"`)
		eventually(t, func() bool { return keys.Version() == v })
	}
}

// F75, F82, F83, F84: the ring keeps the last good key, whatever the endpoint sends later.
func TestARingKeepsTheLastGoodKey(t *testing.T) {
	e := newEndpoint(t, "v1")
	keys := keep(t, open(t, e.Server))
	for _, body := range []string{"", "{}", "<html>login", document("v2")[:20], `{"keys":[{"version":"v2","secret":""}]}`} {
		e.set(body, `"bad"`)
		checkError(t, keys.Refresh(t.Context()), source.ErrInvalid)
		if v := keys.Version(); v != "v1" {
			t.Fatalf("%q: version %s", body, v)
		}
	}
	e.Server.Close()
	checkError(t, keys.Refresh(t.Context()), source.ErrUnavailable)
	if v := keys.Version(); v != "v1" {
		t.Fatalf("endpoint down: version %s", v)
	}
}

// F75: the endpoint starts after the program, stops, and starts again.
func TestARingWaitsForAnEndpointThatIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	src := openURL(t, "http://"+addr+"/keys")
	fails(t, src, source.ErrUnavailable)

	up := func(version string) (down func()) {
		e := &endpoint{changed: make(chan struct{}), hold: true}
		e.set(document(version), `"`+version+`"`)
		l, err := listen.At(addr)
		if err != nil {
			t.Fatal(err)
		}
		// This is not an httptest.Server, whose Close waits for long polls.
		srv := &http.Server{Handler: http.HandlerFunc(e.serve)}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		down = sync.OnceFunc(func() {
			_ = srv.Close()
			<-done
		})
		t.Cleanup(down)
		return down
	}
	waiting := make(chan *ring.Ring)
	go func() { waiting <- keep(t, src) }()
	down := up("v1")
	keys := receive(t, waiting)
	if v := keys.Version(); v != "v1" {
		t.Fatalf("version %s", v)
	}
	down()
	up("v2")
	eventually(t, func() bool { return keys.Version() == "v2" })
}

// F92: a key that is not active is not used.
func TestPendingAndRevokedVersions(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.set(`{"keys":[{"version":"v3","status":"pending"},{"version":"v2","secret":"`+sentinel+`-v2"},{"version":"v1","status":"revoked"}]}`, `"x"`)
	set, err := open(t, e.Server).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || set.Keys[0].Version != "v2" || len(set.Revoked) != 1 || set.Revoked[0] != "v1" {
		t.Errorf("read %+v", set)
	}
}
