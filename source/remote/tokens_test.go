package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
)

// newAuthorized returns a source whose token endpoint answers with issue.
func newAuthorized(t *testing.T, issue http.HandlerFunc) *Source {
	t.Helper()
	return newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			if err := r.ParseForm(); err != nil { // net/http notices that a client has left only after the body is read
				t.Error(err)
			}
			issue(w, r)
			return
		}
		answer(w, "v1")
	}, WithClientCredentials(ClientCredentials{
		TokenURL: "http://127.0.0.1/token", AuthStyle: oauth2.AuthStyleInHeader,
		Client: source.Static(source.Key{ID: "client", Secret: source.NewSecret("sentinel-s")}),
	}))
}

func issueToken(w http.ResponseWriter, n int64, seconds int) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":"sentinel-t%d","token_type":"Bearer","expires_in":%d}`, n, seconds)
}

// F62, F86: many readings wait for one token. The first is cancelled, and the others get the
// token.
func TestOneTokenServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		s := newAuthorized(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			issueToken(w, asked.Add(1), 3600)
		})
		leader, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		first, others := make(chan error, 1), make(chan error, 10)
		go func() {
			_, err := s.Read(leader)
			first <- err
		}()
		synctest.Wait()
		for range 10 {
			go func() {
				_, err := s.Read(t.Context())
				others <- err
			}()
		}
		if err := <-first; !isUnavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the one who left: %v", err)
		}
		for range 10 {
			if err := <-others; err != nil {
				t.Errorf("one who stayed: %v", err)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("%d requests for a token, want 1", asked.Load())
		}
	})
}

// F87, F104: a request to a token endpoint that hangs ends at its own timeout, which is shorter
// than that of a reading. It ends at once if no reading waits.
func TestAHungTokenEndpointIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{}, 2)
		s := newAuthorized(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			gone <- struct{}{}
		})
		began := time.Now()
		if _, err := s.Read(t.Context()); !isUnavailable(err) || time.Since(began) != tokenTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-gone
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := s.Read(ctx); !isUnavailable(err) {
			t.Errorf("error %v", err)
		}
		<-gone
		if took := time.Since(began); took != time.Second {
			t.Errorf("the token endpoint saw us leave after %v", took)
		}
	})
}

// A token is replaced shortly before it expires.
func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		s := newAuthorized(t, func(w http.ResponseWriter, _ *http.Request) { issueToken(w, asked.Add(1), 60) })
		for _, step := range []struct {
			pause time.Duration
			want  int64
		}{{0, 1}, {49 * time.Second, 1}, {2 * time.Second, 2}, {49 * time.Second, 2}} {
			time.Sleep(step.pause)
			if _, err := s.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if asked.Load() != step.want {
				t.Errorf("%d tokens, want %d", asked.Load(), step.want)
			}
		}
	})
}

// F88: a late refusal of the old token does not drop the new one.
func TestOnlyTheRefusedTokenIsDropped(t *testing.T) {
	old, replaced := source.NewSecret("sentinel-t1"), source.NewSecret("sentinel-t2")
	tokens := &tokens{token: source.Key{Secret: replaced}}
	tokens.drop(old)
	if got, err := tokens.get(t.Context()); err != nil || !got.Equal(replaced) {
		t.Errorf("the new token is gone: %v", err)
	}
}
