package googletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/oauth2adapt"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"
	"google.golang.org/api/translate/v2"
	htransport "google.golang.org/api/transport/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

const sentinel = "rksentinel_"

func key(n int) source.Key {
	return source.Key{Version: fmt.Sprint("v", n), Secret: source.NewSecret(fmt.Sprint(sentinel, "key-", n))}
}

// store is a source under the test's control, which lists every valid key.
type store struct {
	mu  sync.Mutex
	set source.Set
}

func (s *store) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, nil
}

func (s *store) put(keys ...source.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = source.Set{Keys: keys, Complete: true}
}

// bench is a cloud and a ring.
type bench struct {
	*cloud
	t     *testing.T
	store *store
	ring  *ring.Ring
	url   string
	base  *http.Transport
}

func newBench(t *testing.T, wait time.Duration, keys ...source.Key) *bench {
	t.Helper()
	b := &bench{t: t, store: &store{}, base: &http.Transport{},
		cloud: &cloud{keys: make(map[string]bool), seen: make(map[string]int), stored: make(map[string]string)}}
	for _, k := range keys {
		b.keys[k.Secret.Expose()] = true
	}
	b.store.put(keys...)
	live, err := ring.Keep(t.Context(), b.store, ring.WithLogger(nil), ring.WithPoll(time.Hour), ring.WithRefusalWait(wait))
	if err != nil {
		t.Fatal(err)
	}
	b.ring = live
	server := httptest.NewServer(b.cloud)
	b.url = server.URL + "/"
	t.Cleanup(func() {
		live.Close()
		b.base.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		if b.unpaid > 0 {
			t.Errorf("%d requests did not name the project", b.unpaid)
		}
	})
	return b
}

// call writes text under a name.
type call func(ctx context.Context, name, text string) error

// calls are the clients that these options make.
func (b *bench) calls(opts ...option.ClientOption) map[string]call {
	b.t.Helper()
	opts = append(opts, option.WithEndpoint(b.url))
	translator, err := translate.NewService(b.t.Context(), opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	objects, err := storage.NewService(b.t.Context(), opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	return map[string]call{
		"translate": func(ctx context.Context, name, text string) error {
			_, err := translator.Translations.Translate(&translate.TranslateTextRequest{Q: []string{text}, Target: name}).Context(ctx).Do()
			return err
		},
		"storage": func(ctx context.Context, name, text string) error {
			_, err := objects.Objects.Insert("bucket", &storage.Object{Name: name}).Media(strings.NewReader(text)).Context(ctx).Do()
			return err
		},
	}
}

// tokens are the clients over the project's transport, with the header of the project to
// be billed, as the manual of package oauth has it.
func (b *bench) tokens() map[string]call {
	b.t.Helper()
	t := transport.New(b.ring, transport.Bearer(), transport.WithOverride(), transport.WithOrigin(strings.TrimSuffix(b.url, "/")), transport.WithBase(b.base))
	rt, err := htransport.NewTransport(b.t.Context(), t, option.WithTokenSource(oauth.TokenSource(b.ring)), option.WithQuotaProject(project))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.calls(option.WithHTTPClient(&http.Client{Transport: rt}))
}

// apiKeys are the clients with an API key.
func (b *bench) apiKeys() map[string]call {
	t := provider.Google(strings.TrimSuffix(b.url, "/")).Transport(b.ring, transport.WithBase(b.base))
	return b.calls(option.WithHTTPClient(&http.Client{Transport: t}))
}

// make makes one call, and looks at what came of it.
func (b *bench) make(call call, name string) error {
	text := strings.Repeat(name+" is what is written here.\n", 500)
	if err := call(b.t.Context(), name, text); err != nil {
		return err
	}
	var got string
	b.set(func() { got = b.stored[name] })
	if got != text {
		return fmt.Errorf("%d bytes are stored, other than what was written", len(got))
	}
	return nil
}

// load makes calls of every kind on six goroutines until end is called.
func (b *bench) load(calls map[string]call) (settle, end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var done [6]atomic.Int64
	for i := range done {
		wg.Go(func() {
			for n := 0; ; n++ {
				for kind, call := range calls {
					done[i].Add(1)
					select {
					case <-stop:
						return
					default:
					}
					if err := b.make(call, fmt.Sprint(kind, "-", i, "-", n)); err != nil {
						b.t.Errorf("%s: %v", kind, err)
					}
				}
			}
		})
	}
	// settle waits until every call that is out now has ended.
	settle = func() {
		b.t.Helper()
		for i := range done {
			before := done[i].Load()
			b.until(func() bool { return done[i].Load() > before+1 })
		}
	}
	return settle, sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
}

// until waits for what the cloud must come to see.
func (b *bench) until(ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		var done bool
		b.set(func() { done = ok() })
		if done {
			return
		}
		if time.Now().After(end) {
			b.t.Fatal("it never came")
		}
	}
}

// with runs a test with tokens and with API keys, beside others: most of it is waiting
// for hold-offs.
func with(t *testing.T, test func(*testing.T, *bench, map[string]call)) {
	t.Parallel()
	for name, calls := range map[string]func(*bench) map[string]call{"tokens": (*bench).tokens, "API keys": (*bench).apiKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 5*time.Second, key(1))
			test(t, b, calls(b))
			t.Logf("%d calls, %d refused on the way", b.applied, b.refused)
		})
	}
}

// F119, F58, F61: keys rotate under Google's clients, published before the service takes
// them, and no call fails, is torn, or is billed to another project.
func TestRotatesSourceFirst(t *testing.T) {
	with(t, func(t *testing.T, b *bench, calls map[string]call) {
		settle, end := b.load(calls)
		defer end()
		for n := 2; n <= 5; n++ {
			old, next := key(n-1), key(n)
			var before int
			b.set(func() { before = b.refused })
			b.store.put(next, old)
			if err := b.ring.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			b.until(func() bool { return b.refused > before })
			b.set(func() { b.keys[next.Secret.Expose()] = true })
			b.until(func() bool { return b.seen[next.Secret.Expose()] > 20 })
			settle()
			b.set(func() { delete(b.keys, old.Secret.Expose()) })
			settle()
			b.store.put(next)
		}
		end()
	})
}

// F119, F88: the service drops the key, and the source has the next only then.
func TestRotatesServerFirst(t *testing.T) {
	with(t, func(t *testing.T, b *bench, calls map[string]call) {
		settle, end := b.load(calls)
		defer end()
		for n := 2; n <= 5; n++ {
			old, next := key(n-1), key(n)
			var before int
			b.set(func() {
				before = b.refused
				delete(b.keys, old.Secret.Expose())
				b.keys[next.Secret.Expose()] = true
			})
			b.until(func() bool { return b.refused > before })
			b.store.put(next)
			b.until(func() bool { return b.seen[next.Secret.Expose()] > 20 })
			settle()
		}
		end()
	})
}

// F58: a refused call is sent once with each key, and not again by the client.
func TestACallIsSentOnceWithEachKey(t *testing.T) {
	for _, kind := range []string{"translate", "storage"} {
		b := newBench(t, time.Millisecond, key(2), key(1))
		calls := b.tokens()
		b.set(func() { clear(b.keys) })
		if err := b.make(calls[kind], "x"); err == nil || strings.Contains(err.Error(), sentinel) {
			t.Errorf("%s: not the refusal", kind)
		}
		if b.seen[key(2).Secret.Expose()] != 1 || b.seen[key(1).Secret.Expose()] != 1 || b.refused != 2 {
			t.Errorf("%s: %d requests, want one with each key", kind, b.refused)
		}
	}
}

// Why the manual's line is what it is: the client takes no project besides an http.Client.
func TestAnHTTPClientExcludesTheProject(t *testing.T) {
	if _, err := translate.NewService(t.Context(), option.WithHTTPClient(http.DefaultClient), option.WithQuotaProject(project)); err == nil {
		t.Error("an http.Client and a quota project go together now: the manual can be simpler")
	}
}

// F119: a token source keeps the header of the project, and the client's cache is at most
// some calls, or 11 s, behind the ring: it is not frozen, and while both keys are
// valid no call fails.
func TestTokenSourceIsNotFrozen(t *testing.T) {
	b := newBench(t, time.Millisecond, key(1))
	calls := b.calls(option.WithTokenSource(oauth.TokenSource(b.ring)), option.WithQuotaProject(project))
	for n := 2; n <= 5; n++ {
		next := key(n).Secret.Expose()
		b.set(func() { b.keys[next] = true })
		b.store.put(key(n), key(n-1))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for kind, call := range calls {
			last := ""
			for i := 0; last != next; i++ {
				if i == 10000 {
					t.Fatalf("%s: never the next key", kind)
				}
				if err := b.make(call, fmt.Sprint(kind, "-", n, "-", i)); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				b.set(func() { last = b.last })
			}
		}
		b.set(func() { delete(b.keys, key(n-1).Secret.Expose()) })
		for kind, call := range calls {
			if err := b.make(call, fmt.Sprint(kind, "-", n)); err != nil {
				t.Errorf("%s, the key before gone: %v", kind, err)
			}
		}
	}
}

// F119: with a cache that waits for its token, as the manual of package oauth has it, every
// call has the key that the ring uses.
func TestTokenSourceWithoutACache(t *testing.T) {
	b := newBench(t, time.Millisecond, key(1))
	creds := auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider: auth.NewCachedTokenProvider(oauth2adapt.TokenProviderFromTokenSource(oauth.TokenSource(b.ring)),
			&auth.CachedTokenProviderOptions{DisableAsyncRefresh: true}),
	})
	calls := b.calls(option.WithAuthCredentials(creds), option.WithQuotaProject(project))
	for n := 1; n <= 10; n++ {
		b.set(func() { b.keys = map[string]bool{key(n).Secret.Expose(): true} })
		b.store.put(key(n))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for kind, call := range calls {
			if err := b.make(call, fmt.Sprint(kind, "-", n)); err != nil {
				t.Errorf("rotation %d: %s: %v", n, kind, err)
			}
		}
	}
	if b.refused > 0 {
		t.Errorf("%d refused", b.refused)
	}
}
