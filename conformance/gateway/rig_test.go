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

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A rig is nginx, a mounted key, and clients that send requests all the time.
type rig struct {
	t      *testing.T
	nginx  *nginx
	mount  *mount
	listed bool
	ring   *source.Ring
	http   *http.Client
	base   *http.Transport

	names map[string]string // our versions by the ring's

	stop func()
	done sync.WaitGroup

	mu      sync.Mutex // guards what follows
	reports []report
	failed  []string
	last    [clients]string // the version that served each client last
	moved   int
}

// A report is what the transport says of a request.
type report struct{ id, version string }

func newRig(t *testing.T, overlap time.Duration, listed bool) *rig {
	t.Helper()
	first := version(1)
	r := &rig{t: t, listed: listed, names: make(map[string]string)}
	r.nginx = startNginx(t, r.keys(first))
	r.mount = newMount(t, r.text(first))
	var opts []file.Option
	if listed {
		opts = append(opts, file.WithDecoder(source.Document))
	}
	ring, err := source.Keep(t.Context(), file.New(r.mount.path(), opts...), source.WithOverlap(overlap), source.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	r.ring = ring
	r.base = &http.Transport{MaxIdleConnsPerHost: clients}
	r.http = &http.Client{Transport: transport.New(ring, transport.Bearer(), transport.WithBase(r.base))}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = func() { cancel(); r.done.Wait() }
	t.Cleanup(func() {
		r.stop()
		_ = ring.Close()
		r.base.CloseIdleConnections()
	})
	r.learn()
	for n := range clients {
		r.done.Go(func() { r.send(ctx, n) })
	}
	return r
}

// learn notes how the ring calls the version in use, which of a plain file is a time.
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

func (r *rig) keys(versions ...string) map[string]string {
	keys := make(map[string]string)
	for _, v := range versions {
		keys[v] = secret(v)
	}
	return keys
}

// text is the file's content with these versions, newest first.
func (r *rig) text(versions ...string) string {
	if !r.listed {
		return secret(versions[0]) + "\n"
	}
	set := source.Set{Complete: true}
	for _, v := range versions {
		set.Keys = append(set.Keys, source.Key{Version: v, Secret: source.NewSecret(secret(v))})
	}
	data, err := source.EncodeDocument(set)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *rig) write(versions ...string) { r.mount.swap(r.text(versions...)) }

// send sends one request after the other until ctx ends. Each is whole: what is
// out when ctx ends is waited for.
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
		served, err := r.request(id, n%3 == 0)
		r.mu.Lock()
		if err != nil {
			r.failed = append(r.failed, id+": "+err.Error())
		}
		r.last[client] = served
		r.mu.Unlock()
	}
}

// request sends one request and returns the version that served it, by nginx's word.
func (r *rig) request(id string, post bool) (version string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ctx, seen := transport.Observe(ctx)
	method, body := http.MethodGet, io.Reader(nil)
	if post {
		method, body = http.MethodPost, bytes.NewReader(bytes.Repeat([]byte("x"), 1000))
	}
	req, err := http.NewRequestWithContext(ctx, method, r.nginx.url, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Request-Id", id)
	if post {
		// A reload closes idle connections; without this net/http would not send a
		// POST again that met a closed one.
		req.Header.Set("Idempotency-Key", id)
	}
	resp, err := r.http.Do(req)
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
	r.reports = append(r.reports, report{id, seen.Version()})
	if seen.Moved() {
		r.moved++
	}
	return string(answer), nil
}

// refused waits until the version is current and the server has refused it.
func (r *rig) refused(version string) {
	r.t.Helper()
	eventually(r.t, "a refusal of "+version, func() bool {
		current := r.ring.Status().Current
		name, known := r.names[current.Version] // what is not known yet is the newest
		return current.Refused > 0 && (name == version || !known)
	})
}

// served waits until each client has been served by the version, so that no
// request is out any more that left before it came.
func (r *rig) served(version string) {
	r.t.Helper()
	eventually(r.t, "requests of every client served by "+version, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(r.last[:], func(v string) bool { return v != version })
	})
	r.learn()
}

// judge ends the traffic and compares what was reported with nginx's log.
func (r *rig) judge() {
	r.t.Helper()
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	stop(r.nginx.cmd)
	log := r.nginx.readLog()
	for i, f := range r.failed {
		if strings.Contains(f, sentinel) {
			r.t.Fatal("an error holds a secret")
		}
		if i < 10 {
			r.t.Error("failed: ", f)
		}
	}
	refused, wrong := 0, 0
	for _, p := range r.reports {
		accepted := 0
		for _, l := range log[p.id] {
			switch {
			case l.status != http.StatusOK:
				refused++
			case l.version == r.names[p.version]:
				accepted++
			default:
				wrong++
			}
		}
		if accepted == 0 {
			wrong++
		}
	}
	if len(r.failed) > 0 || wrong > 0 || len(r.reports) == 0 {
		r.t.Errorf("%d requests failed, %d of %d reported another version than nginx logged", len(r.failed), wrong, len(r.reports))
	}
	r.t.Logf("%d requests, %d refusals absorbed, %d answered by another version than they left with, %d failed", len(r.reports), refused, r.moved, len(r.failed))
}
