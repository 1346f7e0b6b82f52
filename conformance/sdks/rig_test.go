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
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A rig is one SDK over this project's client, with a mock of its API.
type rig struct {
	sdk  sdk
	api  *mockapi.API
	base *http.Transport
	path string // the key file
	c    *client.Client
	calls

	attempts, accepted atomic.Int64
	dummies            atomic.Int64 // places in requests with the SDK's own key

	mu      sync.Mutex
	applied map[string]int // how often the text with each mark was applied
	torn    int            // texts that arrived incomplete
	follow  *follow
}

// follow makes the file get a key after the server has refused a request and the
// client has read the file once in vain.
type follow struct {
	key     source.Key
	refused bool
	moved   chan struct{}
}

// newRig starts a server that accepts key, and a client that uses it.
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
		client.WithBase(r.base), client.WithRing(ring.WithLogger(nil), ring.WithRefusalWait(6*time.Second))) // twice the default: machines are busy
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r.c, r.calls = c, s.use(r.base, c)
	r.closing(t)
	return r, key
}

// closing closes the SDK when the test ends.
func (r *rig) closing(t *testing.T) {
	if end := r.calls.close; end != nil {
		t.Cleanup(func() { _ = end() })
	}
}

// newBase returns a transport that connects to the mock for every host: the SDK uses
// the real URL of its API, and the client the origins of its profile.
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

// observed is the file source; it calls wasRead after each reading.
type observed struct {
	*file.Source
	wasRead func()
}

func (o *observed) Read(ctx context.Context) (source.Set, error) {
	set, err := o.Source.Read(ctx)
	o.wasRead()
	return set, err
}

// list replaces the file by one with the keys, newest first. A file that is no key
// document gets the newest only.
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

// following sets the file to get key after the next refusal; see follow. moved is
// closed when the file has it.
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

// arrived counts every request before it is answered, and looks for the SDK's own key.
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
		http.Error(w, "the request body could not be read to its end", http.StatusBadRequest)
		return
	}
	if shows(string(body)) {
		r.dummies.Add(1)
	}
	if err := r.apply(req.Header.Get("Content-Encoding"), body); err != nil {
		http.Error(w, "the request body does not match its Content-Encoding", http.StatusBadRequest)
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

// text returns the text of the n-th write. It has a mark that identifies the write,
// and its length.
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

// shows reports whether the text contains the SDK's own key, plain or in base64.
func shows(text string) bool {
	for _, form := range forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// forms are the SDKs' own keys and their base64 forms. The base64 of a text depends on
// its offset modulo 3, so each key has three forms, without the characters that depend
// on the text beside it.
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
