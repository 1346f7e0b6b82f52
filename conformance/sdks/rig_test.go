package sdks

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A rig is one SDK over a client of this project's, against a mock of its API.
type rig struct {
	sdk  sdk
	api  *mockapi.API
	base *http.Transport
	path string // of the file with the key
	c    *client.Client
	calls

	attempts, accepted atomic.Int64
	dummies            atomic.Int64 // requests with the SDK's own key in them

	mu      sync.Mutex
	applied map[string]int // by mark: how often
	torn    int            // texts that were applied without the whole
	follow  *follow
}

// follow has the source move a moment after the server: just when it was read in
// vain after a refusal.
type follow struct {
	key     source.Key
	refused bool
	moved   chan struct{}
}

// newRig starts a server that takes key, and a client that has it.
func newRig(t *testing.T, s sdk, http2 bool) (r *rig, key source.Key) {
	r = &rig{sdk: s, path: filepath.Join(t.TempDir(), "api-key"), applied: make(map[string]int)}
	protocol := mockapi.WithTLS()
	if http2 {
		protocol = mockapi.WithHTTP2()
	}
	options := []mockapi.Option{protocol, mockapi.WithLogLimit(0)}
	if s.options != nil {
		options = append(options, s.options(t)...)
	}
	options = append(options, mockapi.WithHandler(http.HandlerFunc(r.answer)))
	if s.auth != nil {
		options = append(options, mockapi.WithAuth(s.auth))
	}
	if s.refusal != nil {
		options = append(options, mockapi.WithRefusal(*s.refusal))
	}
	r.api = mockapi.New(t, options...)
	r.api.Intercept(r.arrived)
	r.base = newBase(t, r.api, http2)
	key = r.api.Issue(mockapi.Spec{})
	if err := r.list(key); err != nil {
		t.Fatal(err)
	}
	var decode []file.Option
	if s.pair {
		decode = append(decode, file.WithDecoder(source.Document))
	}
	c, err := client.New(t.Context(), &observed{file.New(r.path, decode...), r.wasRead},
		client.WithProvider(s.profile), client.WithOverride(),
		client.WithBase(r.base), client.WithRing(ring.WithLogger(nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r.c, r.calls = c, s.use(r.base, c)
	r.closing(t)
	return r, key
}

// closing ends the SDK with the test.
func (r *rig) closing(t *testing.T) {
	if end := r.calls.close; end != nil {
		t.Cleanup(func() { _ = end() })
	}
}

// newBase returns a transport that goes to the mock whatever the host is: the SDK
// has its API's own URL, and the client its own origins.
func newBase(t testing.TB, api *mockapi.API, http2 bool) *http.Transport {
	u, err := url.Parse(api.URL())
	if err != nil {
		t.Fatal(err)
	}
	trust := api.TLSConfig()
	trust.ServerName = "localhost"
	base := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return api.Dial(ctx, network, u.Host)
		},
		TLSClientConfig: trust, ForceAttemptHTTP2: http2, MaxIdleConnsPerHost: 16,
	}
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// observed is the file, and tells the rig of each reading.
type observed struct {
	*file.Source
	wasRead func()
}

func (o *observed) Read(ctx context.Context) (source.Set, error) {
	set, err := o.Source.Read(ctx)
	o.wasRead()
	return set, err
}

// list puts the keys, newest first, into the file, by a rename. A file that is no
// document has the newest alone.
func (r *rig) list(keys ...source.Key) error {
	data := []byte(keys[0].Secret.Expose() + "\n")
	if r.sdk.pair {
		var err error
		if data, err = source.EncodeDocument(source.Set{Keys: keys}); err != nil {
			return err
		}
	}
	if err := os.WriteFile(r.path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}

// following has the file list key a moment after the next refusal, which is told.
func (r *rig) following(key source.Key) (moved <-chan struct{}) {
	f := &follow{key: key, moved: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follow = f
	return f.moved
}

func (r *rig) wasRead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.follow
	if f == nil || !f.refused {
		return
	}
	if err := r.list(f.key); err == nil {
		r.follow = nil
		close(f.moved)
	}
}

// arrived looks at every request, before it is answered.
func (r *rig) arrived(_ http.ResponseWriter, req *http.Request, attempt mockapi.Attempt) bool {
	called := r.sdk.background == "" || !strings.HasPrefix(req.URL.Path, r.sdk.background)
	if called {
		r.attempts.Add(1)
	}
	for name, values := range req.Header {
		if shows(name) || shows(strings.Join(values, "\n")) {
			r.dummies.Add(1)
		}
	}
	if query, err := url.QueryUnescape(req.URL.RawQuery); err != nil || shows(query) || shows(req.URL.RawQuery) || shows(req.URL.Path) {
		r.dummies.Add(1)
	}
	if attempt.Accepted {
		if called {
			r.accepted.Add(1)
		}
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.follow != nil {
		r.follow.refused = true
	}
	return false
}

// answer applies an accepted request and answers it.
func (r *rig) answer(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, "the body broke off", http.StatusBadRequest)
		return
	}
	if shows(string(body)) {
		r.dummies.Add(1)
	}
	if err := r.apply(req.Header.Get("Content-Encoding"), body); err != nil {
		http.Error(w, "the body is not what its header says", http.StatusBadRequest)
		return
	}
	if r.sdk.answer != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.sdk.answer(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}")
}

// text is what the n-th write sends: a mark by which the server knows it, and its
// own length.
func (r *rig) text(n, size int) (mark, text string) {
	if r.sdk.small {
		size = 3
	}
	mark = fmt.Sprintf("mark-%06d", n)
	return mark, fmt.Sprintf("%s-%d-%s-end", mark, size, strings.Repeat("x", size))
}

var texts = regexp.MustCompile(`(mark-\d{6})-(\d*)(-x*-end)?`)

// apply counts the texts in a body.
func (r *rig) apply(encoding string, body []byte) error {
	if encoding == "gzip" {
		in, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(in); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, found := range texts.FindAllSubmatch(body, -1) {
		r.applied[string(found[1])]++
		if size, err := strconv.Atoi(string(found[2])); err != nil || len(found[3]) != size+len("--end") {
			r.torn++
		}
	}
	return nil
}

// shows reports whether the SDK's own key is in the text, as it is or in base64.
func shows(text string) bool {
	for _, form := range forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// forms are the SDKs' own keys, and the parts of their base64 that do not depend on
// what stands beside them: three, by what stands before.
var forms = func() (list []string) {
	for _, key := range []string{dummy, plain} {
		list = append(list, key)
		for before := range 3 {
			text := base64.RawStdEncoding.EncodeToString([]byte("xx"[:before] + key))
			list = append(list, text[(before*8+5)/6:(before+len(key))*8/6])
		}
	}
	return list
}()
