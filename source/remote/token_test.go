package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// An issuer is a token endpoint (RFC 6749 section 4.4) and, under /keys, an endpoint that
// accepts only the newest token.
type issuer struct {
	*httptest.Server
	asked atomic.Int64 // requests for a token
	read  atomic.Int64 // requests for keys
	hung  atomic.Bool
	free  chan struct{} // when it is closed, the requests that hang go on

	mu     sync.Mutex
	token  string
	answer func(http.ResponseWriter) // instead of a token
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{free: make(chan struct{})}
	i.Server = serve(t, i.serve)
	t.Cleanup(sync.OnceFunc(func() { close(i.free) }))
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/keys" {
		i.read.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.token == "" || r.Header.Get("Authorization") != "Bearer "+i.token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, document("v1"))
		return
	}
	n := i.asked.Add(1)
	if i.hung.Load() {
		select {
		case <-i.free:
		case <-r.Context().Done():
			return
		}
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if r.PostFormValue("grant_type") != "client_credentials" || id != "client" || secret != sentinel ||
		r.PostFormValue("audience") != "keys" || r.PostFormValue("scope") != "a b" || basic != (r.URL.Path == "/basic") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s"}`, secret)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answer != nil {
		i.answer(w)
		return
	}
	i.token = fmt.Sprintf("%s-token-%d", sentinel, n)
	writeJSON(w, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, i.token))
}

// revoke revokes the token before it expires.
func (i *issuer) revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.token = ""
}

func (i *issuer) open(t *testing.T, path string, style oauth2.AuthStyle, secret string) *remote.Source {
	t.Helper()
	return open(t, i.Server, remote.WithClientCredentials(remote.ClientCredentials{
		TokenURL: i.URL + path, AuthStyle: style, Client: static(secret),
		Scopes: []string{"a", "b"}, Params: url.Values{"audience": {"keys"}},
	}))
}

func TestClientCredentials(t *testing.T) {
	for path, style := range map[string]oauth2.AuthStyle{"/basic": oauth2.AuthStyleInHeader, "/form": oauth2.AuthStyleInParams} {
		i := newIssuer(t)
		src := i.open(t, path, style, sentinel)
		for range 3 {
			current(t, src)
		}
		if i.asked.Load() != 1 || i.read.Load() != 3 {
			t.Errorf("%s: %d tokens for %d requests, want 1 for 3", path, i.asked.Load(), i.read.Load())
		}
	}
}

// F88
func TestATokenThatEndsEarlyIsReplaced(t *testing.T) {
	i := newIssuer(t)
	src := i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel)
	current(t, src)
	i.revoke()
	current(t, src)
	if i.asked.Load() != 2 {
		t.Errorf("%d tokens, want 2", i.asked.Load())
	}
}

// F88: the source tries once more, not for ever.
func TestATokenThatIsNeverTaken(t *testing.T) {
	i := newIssuer(t)
	i.answer = func(w http.ResponseWriter) {
		writeJSON(w, `{"access_token":"`+sentinel+`-wrong","token_type":"Bearer"}`)
	}
	src := i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel)
	fails(t, src, source.ErrDenied)
	if i.asked.Load() != 2 || i.read.Load() != 2 {
		t.Errorf("%d tokens, %d requests, want 2 of each", i.asked.Load(), i.read.Load())
	}
}

// F87: the token endpoint hangs. Each reading returns when its context ends, no goroutine is
// left after the last one, and the next reading sends a new request.
func TestAHungTokenEndpoint(t *testing.T) {
	i := newIssuer(t)
	i.hung.Store(true)
	src := i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := src.Read(ctx)
		cancel()
		checkError(t, err, source.ErrUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v does not say that time was up", err)
		}
	}
	i.hung.Store(false)
	current(t, src)
}

// F87, F95: the error does not quote the response of the token endpoint.
func TestWhenThereIsNoToken(t *testing.T) {
	i := newIssuer(t)
	fails(t, i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel+"-wrong"), source.ErrDenied)
	// After the wrong style, the other is not tried.
	fails(t, i.open(t, "/form", oauth2.AuthStyleInHeader, sentinel), source.ErrDenied)
	if i.asked.Load() != 2 {
		t.Errorf("%d requests for a token, want 2", i.asked.Load())
	}
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		want   error
	}{
		"HTML": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<" + sentinel))
		}, source.ErrUnavailable},
		"no token":   {func(w http.ResponseWriter) { writeJSON(w, `{"`+sentinel+`":1}`) }, source.ErrUnavailable},
		"own error":  {func(w http.ResponseWriter) { writeJSON(w, `{"error":"`+sentinel+`"}`) }, source.ErrUnavailable},
		"control":    {func(w http.ResponseWriter) { writeJSON(w, `{"access_token":"`+sentinel+`\r\nX-Evil: 1"}`) }, source.ErrInvalid},
		"overloaded": {func(w http.ResponseWriter) { w.WriteHeader(503); _, _ = w.Write([]byte(sentinel)) }, source.ErrUnavailable},
		"redirect":   {func(w http.ResponseWriter) { w.Header().Set("Location", "https://localhost:1/"); w.WriteHeader(307) }, source.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.answer = tc.answer
			fails(t, i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel), tc.want)
			if i.read.Load() != 0 {
				t.Errorf("%d requests for keys without a token", i.read.Load())
			}
		})
	}
}

// F77
func TestRetryAfterOfTheTokenEndpointIsPassedOn(t *testing.T) {
	i := newIssuer(t)
	i.answer = func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	if err := fails(t, i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel), source.ErrUnavailable); err.RetryAfter != 17*time.Second {
		t.Errorf("RetryAfter %v", err.RetryAfter)
	}
}
