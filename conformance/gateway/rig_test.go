package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/internal/nginx"
	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A rig is nginx, a mounted key, and clients that send requests without a pause.
type rig struct {
	t      *testing.T
	nginx  *nginx.Server
	volume *kubelet.Volume
	listed bool
	ring   *ring.Ring
	http   *http.Client // keeps connections, for GETs and POSTs with an Idempotency-Key
	plain  *http.Client // keeps none, for POSTs without

	names map[string]string // the test's version names, by the ring's

	stop func()
	done sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	reports []report
	failed  []string
	last    [clients]string // the version of each client's last response
	moved   int             // requests answered with another version than first sent
	// plainMoved counts the POSTs without an Idempotency-Key in moved.
	plainMoved int
}

// A report is the transport's report of a request.
type report struct {
	id, version string
	plain       bool // may be sent again only after a refusal
}

func newRig(t *testing.T, overlap time.Duration, listed bool) *rig {
	t.Helper()
	first := version(1)
	r := &rig{t: t, listed: listed, names: make(map[string]string)}
	r.nginx = startNginx(t, r.keys(first)...)
	volume, err := kubelet.Mount(t.TempDir(), r.files(first))
	if err != nil {
		t.Fatal(err)
	}
	r.volume = volume
	var opts []file.Option
	if listed {
		opts = append(opts, file.WithDecoder(source.Document))
	}
	// nginx refuses the old key from the start of a reload, which takes 3 s if an old
	// worker has an open connection. The file gets the new key after the reload.
	live, err := ring.Keep(t.Context(), file.New(volume.Path("key"), opts...), ring.WithOverlap(overlap), ring.WithLogger(nil),
		ring.WithRefusalWait(limit/2))
	if err != nil {
		t.Fatal(err)
	}
	r.ring = live
	keeping, fresh := &http.Transport{MaxIdleConnsPerHost: clients}, &http.Transport{DisableKeepAlives: true}
	origin := transport.WithOrigin(r.nginx.URL)
	r.http = &http.Client{Transport: transport.New(live, transport.Bearer(), origin, transport.WithBase(keeping))}
	r.plain = &http.Client{Transport: transport.New(live, transport.Bearer(), origin, transport.WithBase(fresh))}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = func() { cancel(); r.done.Wait() }
	t.Cleanup(func() {
		r.stop()
		_ = live.Close()
		keeping.CloseIdleConnections()
	})
	r.learn()
	for n := range clients {
		r.done.Go(func() { r.send(ctx, n) })
	}
	return r
}

// learn records the ring's name of the version in use; for a plain file it is a time.
func (r *rig) learn() {
	r.t.Helper()
	key, err := r.ring.InUse()
	if err != nil {
		r.t.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(key.Secret.Expose(), sentinel), ".")
	if other, ok := r.names[key.Version]; ok && other != name {
		r.t.Fatalf("version %s stands for %s and %s", key.Version, other, name)
	}
	r.names[key.Version] = name
}

func (r *rig) keys(versions ...string) []source.Key {
	var keys []source.Key
	for _, v := range versions {
		keys = append(keys, source.Key{Version: v, Secret: source.NewSecret(secret(v))})
	}
	return keys
}

// files returns the files to mount for these versions, newest first.
func (r *rig) files(versions ...string) map[string]string {
	if !r.listed {
		return map[string]string{"key": secret(versions[0]) + "\n"}
	}
	data, err := source.EncodeDocument(source.Set{Complete: true, Keys: r.keys(versions...)})
	if err != nil {
		r.t.Fatal(err)
	}
	return map[string]string{"key": string(data)}
}

func (r *rig) write(versions ...string) {
	r.t.Helper()
	if err := r.volume.Swap(r.files(versions...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reload(versions ...string) {
	r.t.Helper()
	if err := r.nginx.Reload(r.keys(versions...)...); err != nil {
		r.t.Fatal(err)
	}
}

// send sends one request after the other until ctx ends, and waits for the last.
func (r *rig) send(ctx context.Context, client int) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		id := fmt.Sprintf("%d-%d", client, n)
		served, err := r.request(id, n)
		r.mu.Lock()
		if err != nil {
			r.failed = append(r.failed, id+": "+err.Error())
		}
		r.last[client] = served
		r.mu.Unlock()
	}
}

// request sends a GET, or a POST with or without an Idempotency-Key, in turn. It
// returns the version that nginx's response has.
func (r *rig) request(id string, n int) (version string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ctx, seen := transport.Observe(ctx)
	method, body := http.MethodGet, io.Reader(nil)
	post, client := n%3 == 0, r.http
	if post {
		method, body = http.MethodPost, bytes.NewReader(bytes.Repeat([]byte("x"), 1000))
	}
	req, err := http.NewRequestWithContext(ctx, method, r.nginx.URL, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Request-Id", id)
	switch {
	// A reload closes idle connections. net/http repeats a POST on a closed connection
	// only if it has this header. Other POSTs get a new connection each.
	case post && n%2 == 0:
		req.Header.Set("Idempotency-Key", id)
	case post:
		client = r.plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s with version %s after %d attempts", resp.Status, seen.Version(), seen.Attempts())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report{id, seen.Version(), client == r.plain})
	if seen.Moved() {
		r.moved++
		if client == r.plain {
			r.plainMoved++
		}
	}
	return string(answer), nil
}

// refused waits until the version is current and the server has refused it.
func (r *rig) refused(version string) {
	r.t.Helper()
	eventually(r.t, "the server refuses "+version, func() bool {
		current := r.ring.Status().Current
		name, known := r.names[current.Version] // a version not in names yet is the newest
		return current.Refused > 0 && (name == version || !known)
	})
}

// served waits until the last response of each client was with the version. Then no
// request is in flight that was sent before the version was current.
func (r *rig) served(version string) {
	r.t.Helper()
	eventually(r.t, "every client has a response with "+version, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(r.last[:], func(v string) bool { return v != version })
	})
	r.learn()
}

// judge ends the traffic and compares the reports with nginx's log.
func (r *rig) judge() {
	r.t.Helper()
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.nginx.Quit(); err != nil {
		r.t.Fatal(err)
	}
	log, err := r.nginx.Log()
	if err != nil {
		r.t.Fatal(err)
	}
	for i, f := range r.failed {
		if strings.Contains(f, sentinel) {
			r.t.Fatal("an error contains a secret")
		}
		if i < 10 {
			r.t.Error("a request failed: ", f)
		}
	}
	refused, wrong, resent := 0, 0, 0
	for _, p := range r.reports {
		accepted, others := 0, 0
		for _, l := range log[p.id] {
			switch {
			case l.Status == http.StatusUnauthorized && l.Version == "":
				refused++
			case l.Status == http.StatusOK && l.Version == r.names[p.version]:
				accepted++
			default:
				others++
			}
		}
		switch {
		case accepted == 1 && others == 0:
		case accepted >= 1 && !p.plain:
			// net/http itself repeats an idempotent request if a reload closes the
			// connection before the response. nginx may have logged the first one.
			resent++
		default:
			if wrong++; wrong <= 10 {
				r.t.Errorf("the transport reported %+v, but nginx logged %+v", p, log[p.id])
			}
		}
	}
	if resent > 10 {
		r.t.Errorf("%d requests were sent again without a refusal, want at most 10", resent)
	}
	if len(r.failed) > 0 || wrong > 0 || len(r.reports) == 0 {
		r.t.Errorf("%d requests failed, %d of %d reported another version than nginx logged", len(r.failed), wrong, len(r.reports))
	}
	if r.plainMoved == 0 && r.moved > 100 {
		r.t.Error("no POST without an Idempotency-Key was refused: the test has not tried them")
	}
	r.t.Logf("%d requests, %d refusals, %d answered with another version than first sent, of these %d POSTs without an Idempotency-Key, %d failed",
		len(r.reports), refused, r.moved, r.plainMoved, len(r.failed))
}
