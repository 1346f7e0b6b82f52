package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
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

const (
	clients   = 64
	rotations = 40 // of each kind, so 200 in all
	sentinel  = "rksentinel_"
)

// Under load from 64 goroutines, with the key switched as in a mounted Secret
// and the gateway reloaded, no request fails, and what the transport reports of
// each is what nginx logged.
//
// F01, F59, F60, F61, F67, F74, F95
func TestRotationsBehindNginx(t *testing.T) {
	for _, kind := range []struct {
		name    string
		overlap time.Duration
		listed  bool // the file is a key document with the old key in it too
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

// fileFirst: the gateway refuses the new key until it is told, so requests fall
// back; then it drops the old one at once, so they fall forward.
func fileFirst(r *rig, old, new string) {
	r.write(new, old)
	r.refused(new)
	r.nginx.reload(r.keys(old, new))
	r.nginx.reload(r.keys(new))
}

// serverFirst: the gateway refuses the old key before the file has the new one,
// so requests wait for it.
func serverFirst(r *rig, old, new string) {
	r.nginx.reload(r.keys(new))
	r.refused(old)
	r.write(new, old)
}

// bothLive: the gateway learns of the new key, then the file has it, then the
// gateway drops the old one.
func bothLive(r *rig, old, new string) {
	r.nginx.reload(r.keys(old, new))
	r.write(new, old)
	r.served(new)
	r.nginx.reload(r.keys(new))
}

func version(n int) string { return fmt.Sprint("v", n) }

// salt keeps the secrets out of the source, and apart between runs.
var salt = rand.Text()

func secret(version string) string { return sentinel + version + "." + salt }

// A rig is nginx, a mounted key, and clients that send requests all the time.
type rig struct {
	t      *testing.T
	nginx  *nginx
	mount  *mount
	listed bool
	ring   *source.Ring
	http   *http.Client
	base   *http.Transport

	stop func()
	done sync.WaitGroup

	mu      sync.Mutex        // guards what follows
	names   map[string]string // our versions by the ring's
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
	r.http = &http.Client{Transport: transport.New(ring, transport.SchemeFunc(r.prepare), transport.WithBase(r.base))}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = func() { cancel(); r.done.Wait() }
	t.Cleanup(func() {
		r.stop()
		_ = ring.Close()
		r.base.CloseIdleConnections()
	})
	for n := range clients {
		r.done.Go(func() { r.send(ctx, n) })
	}
	return r
}

// prepare is the Bearer scheme. It notes how the ring calls a version, which of
// a plain file is a time.
func (r *rig) prepare(key source.Key) (transport.Signer, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(key.Secret.Expose(), sentinel), ".")
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.names[key.Version]; ok && other != name {
		return nil, fmt.Errorf("%w: version %s stands for %s and %s", source.ErrUnusable, key.Version, other, name)
	}
	r.names[key.Version] = name
	return transport.Bearer().Prepare(key)
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

// request sends one request and returns the version that served it.
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
	name := r.names[seen.Version()]
	if name != string(answer) {
		return "", fmt.Errorf("reported version %q, nginx answers %q", name, answer)
	}
	r.reports = append(r.reports, report{id, name})
	if seen.Moved() {
		r.moved++
	}
	return name, nil
}

// refused waits until the server has refused the version.
func (r *rig) refused(version string) {
	r.t.Helper()
	eventually(r.t, "a refusal of "+version, func() bool {
		return slices.ContainsFunc(r.ring.Status().Versions, func(v source.VersionStatus) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.names[v.Version] == version && v.Refused > 0
		})
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
			case l.version == p.version:
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
