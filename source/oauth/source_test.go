package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

const sentinel = "rksentinel_5e"

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

func token(secret string, life time.Duration) *oauth2.Token {
	t := &oauth2.Token{AccessToken: secret, TokenType: "Bearer"}
	if life != 0 {
		t.Expiry = time.Now().Add(life)
	}
	return t
}

func checkError(t *testing.T, err, want error) *source.Error {
	t.Helper()
	typed, ok := errors.AsType[*source.Error](err)
	if !ok || !errors.Is(err, want) {
		t.Fatalf("error %v (%T) is not a *source.Error that matches %v", err, err, want)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, sentinel) {
		t.Fatalf("the error holds the sentinel: %s", text) // F95
	}
	return typed
}

func TestATokenIsAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := oauth.New(tokenFunc(func() (*oauth2.Token, error) { return token(sentinel, time.Hour), nil }))
		set, err := src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		k := set.Keys[0]
		if k.Secret.Expose() != sentinel || !k.ExpiresAt.Equal(time.Now().Add(time.Hour)) || k.Version != "" || !k.CreatedAt.IsZero() || set.Complete {
			t.Errorf("read %+v", set)
		}
	})
}

// FreshFor makes the ring, which may be late by a tenth, read before the token expires.
func TestFreshFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct{ life, most time.Duration }{
			{0, 0}, {time.Second, time.Second}, {11 * time.Second, time.Second},
			{time.Minute, 45 * time.Second}, {time.Hour, 3231 * time.Second}, {48 * time.Hour, time.Hour},
		} {
			set, err := oauth.New(oauth2.StaticTokenSource(token(sentinel, tc.life))).Read(t.Context())
			if err != nil || set.FreshFor != tc.most {
				t.Errorf("life %v: fresh for %v, %v, want %v", tc.life, set.FreshFor, err, tc.most)
			}
		}
	})
}

// F83, F95, F109
func TestWhenThereIsNoToken(t *testing.T) {
	give := func(tok *oauth2.Token, err error) *oauth.Source {
		return oauth.New(tokenFunc(func() (*oauth2.Token, error) { return tok, err }))
	}
	refusal := func(status int, code string) error {
		return fmt.Errorf("wrapped: %w", &oauth2.RetrieveError{
			Response:  &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}},
			Body:      []byte(sentinel),
			ErrorCode: code, ErrorDescription: sentinel,
		})
	}
	for name, tc := range map[string]struct {
		src   *oauth.Source
		want  error
		after time.Duration
	}{
		"nil source":     {src: oauth.New(nil), want: source.ErrNoKey},
		"nil func":       {src: oauth.Fetch(nil), want: source.ErrNoKey},
		"nil token":      {src: give(nil, nil), want: source.ErrInvalid},
		"empty":          {src: give(token("", 0), nil), want: source.ErrInvalid},
		"control":        {src: give(token(sentinel+"\r\nX-Evil: 1", 0), nil), want: source.ErrInvalid},
		"expired":        {src: give(token(sentinel, -time.Second), nil), want: source.ErrNoKey},
		"any error":      {src: give(nil, errors.New(sentinel)), want: source.ErrUnavailable},
		"invalid_client": {give(nil, refusal(400, "invalid_client")), source.ErrDenied, 7 * time.Second},
		"401":            {give(nil, refusal(401, "")), source.ErrDenied, 7 * time.Second},
		"own words":      {give(nil, refusal(400, sentinel)), source.ErrUnavailable, 7 * time.Second},
		"503":            {give(nil, refusal(503, "")), source.ErrUnavailable, 7 * time.Second},
		"typed":          {src: give(nil, &source.Error{Source: "other", Err: source.ErrDenied}), want: source.ErrDenied},
		"panic":          {src: oauth.New(tokenFunc(func() (*oauth2.Token, error) { panic(sentinel) })), want: source.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.src.Read(t.Context())
			if failed := checkError(t, err, tc.want); failed.RetryAfter != tc.after {
				t.Errorf("RetryAfter %v, want %v", failed.RetryAfter, tc.after)
			}
		})
	}
}

// F87: the token source hangs and cannot be cancelled. Readings return when their own
// contexts end. The source makes one call for all of them, and uses the token when it comes.
func TestAHungTokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var calls atomic.Int64
		src := oauth.New(tokenFunc(func() (*oauth2.Token, error) {
			calls.Add(1)
			<-free
			return token(sentinel, 0), nil
		}))
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			began := time.Now()
			_, err := src.Read(ctx)
			cancel()
			checkError(t, err, source.ErrUnavailable)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 500*time.Millisecond {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		go func() {
			time.Sleep(time.Minute)
			close(free)
		}()
		if _, err := src.Read(t.Context()); err != nil {
			t.Error(err)
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls, want 1", calls.Load())
		}
	})
}

// F62, F86: the first of many readings is cancelled, and the others get the token.
func TestOneFetchServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		src := oauth.Fetch(func(ctx context.Context) (*oauth2.Token, error) {
			calls.Add(1)
			select {
			case <-time.After(2 * time.Second):
				return token(sentinel, 0), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		leader, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := src.Read(leader)
			first <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := src.Read(t.Context()); err != nil {
					t.Errorf("one who stayed: %v", err)
				}
			})
		}
		checkError(t, <-first, source.ErrUnavailable)
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls, want 1", calls.Load())
		}
	})
}

// F87: a fetch ends at its own timeout, and at once if no reading waits. A reading that comes
// while a cancelled fetch is ending gets a new one.
func TestAFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		src := oauth.Fetch(func(ctx context.Context) (*oauth2.Token, error) {
			if calls.Add(1) == 3 {
				return token(sentinel, 0), nil
			}
			<-ctx.Done()
			time.Sleep(time.Second) // the cancelled fetch returns late
			return nil, ctx.Err()
		})
		began := time.Now()
		_, err := src.Read(t.Context())
		checkError(t, err, source.ErrUnavailable)
		if took := time.Since(began); took != 21*time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = src.Read(ctx)
		checkError(t, err, source.ErrUnavailable)
		if _, err := src.Read(t.Context()); err != nil {
			t.Errorf("the next: %v", err)
		}
		if calls.Load() != 3 {
			t.Errorf("%d calls, want 3", calls.Load())
		}
	})
}

// F88: a ring over Fetch gets another token when the server refuses the present one. It does
// not fetch a token at each poll interval.
func TestARevokedTokenIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		keys, err := ring.Keep(t.Context(), oauth.Fetch(func(context.Context) (*oauth2.Token, error) {
			return token(fmt.Sprintf("%s-%d", sentinel, calls.Add(1)), 0), nil
		}), ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		had, err := keys.InUse()
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if has, err := keys.InUse(); err != nil || has.SameContent(had) {
			t.Errorf("after the refresh: %+v, %v", has, err)
		}
		time.Sleep(6 * time.Hour)
		if n := calls.Load(); n > 2+8 {
			t.Errorf("%d fetches in 6 hours", n)
		}
	})
}

// A token is replaced before it expires: there is always a valid one.
func TestARingHasAGoodTokenAtAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		ts := oauth2.ReuseTokenSource(nil, tokenFunc(func() (*oauth2.Token, error) {
			return token(fmt.Sprintf("%s-%d", sentinel, calls.Add(1)), time.Hour), nil
		}))
		keys, err := ring.Keep(t.Context(), oauth.New(ts), ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		for range 24 * 60 {
			time.Sleep(time.Minute)
			key, err := keys.InUse()
			if err != nil || !time.Now().Before(key.ExpiresAt) {
				t.Fatalf("key %+v, %v", key, err)
			}
		}
		if n := calls.Load(); n < 24 || n > 26 {
			t.Errorf("%d tokens in a day", n)
		}
	})
}

// The transport of x/oauth2 keeps a token until it expires. Over a ring it still follows a
// switch.
func TestTokenSourceFollowsTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &changing{secret: "a"}
		live, err := ring.Keep(t.Context(), keys, ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer live.Close()
		var sent string
		base := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.Header.Get("Authorization")
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
		})}
		client := oauth2.NewClient(context.WithValue(t.Context(), oauth2.HTTPClient, base), oauth.TokenSource(live))
		for _, want := range []string{"a", "b"} {
			keys.set(want)
			if err := live.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond)
			if _, err := client.Get("http://127.0.0.1/"); err != nil || sent != "Bearer "+want {
				t.Errorf("sent %q, %v, want %s", sent, err, want)
			}
		}
		live.Close()
		if _, err := oauth.TokenSource(live).Token(); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := oauth.TokenSource(nil).Token(); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("no ring: %v", err)
		}
	})
}

// x/oauth2 does not use a key after its ExpiresAt.
func TestTokenSourceKeepsTheKeysExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(5 * time.Second)
		keys, err := ring.Keep(t.Context(), source.Static(source.Key{Secret: source.NewSecret("sentinel-a"), ExpiresAt: ends}), ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		tok, err := oauth.TokenSource(keys).Token()
		if err != nil || !tok.Expiry.Equal(ends) || tok.AccessToken != "sentinel-a" || tok.Type() != "Bearer" {
			t.Errorf("token %+v, %v", tok, err)
		}
	})
}

type changing struct {
	mu     sync.Mutex
	secret string
}

func (c *changing) set(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret = s
}

func (c *changing) Read(context.Context) (source.Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return source.Set{Keys: []source.Key{{Secret: source.NewSecret(c.secret)}}}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
