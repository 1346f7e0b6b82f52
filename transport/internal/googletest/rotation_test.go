package googletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
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
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

func key(n int) source.Key { return drill.Key(fmt.Sprint("v", n)) }

// A bench is a cloud, and a ring whose source the test controls.
type bench struct {
	*cloud
	t     *testing.T
	store *drill.Store
	ring  *ring.Ring
	url   string
	base  *http.Transport
}

func newBench(t *testing.T, wait time.Duration, keys ...source.Key) *bench {
	t.Helper()
	b := &bench{cloud: &cloud{}, t: t, store: drill.NewStore(keys...), base: &http.Transport{}}
	for _, k := range keys {
		b.Accepted = append(b.Accepted, k.Version)
	}
	b.ring = b.store.Keep(t, ring.WithRefusalWait(wait))
	server := httptest.NewServer(b.cloud)
	b.url = server.URL + "/"
	t.Cleanup(func() {
		b.ring.Close()
		b.base.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		if b.unpaid > 0 {
			t.Errorf("%d requests did not name the project", b.unpaid)
		}
	})
	return b
}

// calls returns a call for each client, made with these options.
func (b *bench) calls(opts ...option.ClientOption) map[string]drill.Write {
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
	return map[string]drill.Write{
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

// tokens returns the calls of clients with tokens over this SDK's transport. They send the
// header of the project to be billed, as the comment of package oauth describes.
func (b *bench) tokens() map[string]drill.Write {
	b.t.Helper()
	t := transport.New(b.ring, transport.Bearer(), transport.WithOverride(), transport.WithOrigin(strings.TrimSuffix(b.url, "/")), transport.WithBase(b.base))
	rt, err := htransport.NewTransport(b.t.Context(), t, option.WithTokenSource(oauth.TokenSource(b.ring)), option.WithQuotaProject(project))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.calls(option.WithHTTPClient(&http.Client{Transport: rt}))
}

// apiKeys returns the calls of clients with an API key.
func (b *bench) apiKeys() map[string]drill.Write {
	t := provider.Google(strings.TrimSuffix(b.url, "/")).Transport(b.ring, transport.WithBase(b.base))
	return b.calls(option.WithHTTPClient(&http.Client{Transport: t}))
}

// with runs a test with tokens and with API keys, in parallel with other tests, since it
// mostly waits for hold-offs.
func with(t *testing.T, test func(*testing.T, *bench, map[string]drill.Write)) {
	t.Parallel()
	for name, calls := range map[string]func(*bench) map[string]drill.Write{"tokens": (*bench).tokens, "API keys": (*bench).apiKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 5*time.Second, key(1))
			test(t, b, calls(b))
			t.Logf("%d calls, %d refused on the way", b.Applied, b.Refused)
		})
	}
}

// F119, F58, F61: keys rotate while Google's clients make calls, and each key is published
// before the service accepts it. No call fails, writes half of its text, or is billed to
// another project.
func TestRotatesSourceFirst(t *testing.T) {
	with(t, func(t *testing.T, b *bench, calls map[string]drill.Write) {
		load := b.Load(t, calls)
		defer load.End()
		b.Rotation(b.store, b.ring).SourceFirst(t, load, 2, 5)
	})
}

// F119, F88: the service drops the key before the source has the next one.
func TestRotatesServerFirst(t *testing.T) {
	with(t, func(t *testing.T, b *bench, calls map[string]drill.Write) {
		load := b.Load(t, calls)
		defer load.End()
		b.Rotation(b.store, b.ring).ServerFirst(t, load, 2, 5)
	})
}

// F58: a refused call is sent once with each key, and the client does not send it again.
func TestACallIsSentOnceWithEachKey(t *testing.T) {
	for _, kind := range []string{"translate", "storage"} {
		b := newBench(t, time.Millisecond, key(2), key(1))
		calls := b.tokens()
		b.Accept()
		if err := b.Make(t.Context(), calls[kind], "x"); err == nil || strings.Contains(err.Error(), drill.Sentinel) {
			t.Errorf("%s: not the refusal", kind)
		}
		b.WantSeen(t, "v2", "v1")
		if b.Refused != 2 {
			t.Errorf("%s: %d requests, want one with each key", kind, b.Refused)
		}
	}
}

// The comment of package oauth gives another way for the project, because a client does not
// accept a project together with an http.Client.
func TestAnHTTPClientExcludesTheProject(t *testing.T) {
	if _, err := translate.NewService(t.Context(), option.WithHTTPClient(http.DefaultClient), option.WithQuotaProject(project)); err == nil {
		t.Error("an http.Client and a quota project go together now: the manual can be simpler")
	}
}

// F119: with a token source the client keeps the header of the project. The client's cache is
// behind the ring by some calls, or 11 s, at most. While both keys are valid, no call fails.
func TestTokenSourceIsNotFrozen(t *testing.T) {
	b := newBench(t, time.Millisecond, key(1))
	calls := b.calls(option.WithTokenSource(oauth.TokenSource(b.ring)), option.WithQuotaProject(project))
	for n := 2; n <= 5; n++ {
		next := key(n).Version
		b.Accept(next, key(n-1).Version)
		b.store.Put(key(n), key(n-1))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for kind, call := range calls {
			last := ""
			for i := 0; last != next; i++ {
				if i == 10000 {
					t.Fatalf("%s: never the next key", kind)
				}
				if err := b.Make(t.Context(), call, fmt.Sprint(kind, "-", n, "-", i)); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				b.Set(func() { last = b.Seen[len(b.Seen)-1] })
			}
		}
		b.Accept(next)
		for kind, call := range calls {
			if err := b.Make(t.Context(), call, fmt.Sprint(kind, "-", n)); err != nil {
				t.Errorf("%s, the key before gone: %v", kind, err)
			}
		}
	}
}

// F119: with a cache that waits for its token, as the comment of package oauth describes,
// every call has the key that the ring uses.
func TestTokenSourceWithoutACache(t *testing.T) {
	b := newBench(t, time.Millisecond, key(1))
	creds := auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider: auth.NewCachedTokenProvider(oauth2adapt.TokenProviderFromTokenSource(oauth.TokenSource(b.ring)),
			&auth.CachedTokenProviderOptions{DisableAsyncRefresh: true}),
	})
	calls := b.calls(option.WithAuthCredentials(creds), option.WithQuotaProject(project))
	for n := 1; n <= 10; n++ {
		b.Accept(key(n).Version)
		b.store.Put(key(n))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for kind, call := range calls {
			if err := b.Make(t.Context(), call, fmt.Sprint(kind, "-", n)); err != nil {
				t.Errorf("rotation %d: %s: %v", n, kind, err)
			}
		}
	}
	if b.Refused > 0 {
		t.Errorf("%d refused", b.Refused)
	}
}
