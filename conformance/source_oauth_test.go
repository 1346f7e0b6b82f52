package conformance_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
)

// F86, F87, F104: a token endpoint as a source.
func TestOAuthSource(t *testing.T) {
	t.Parallel()
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			b := &tokens{}
			return conformance.SourceBackend{
				Source:  oauth.Fetch(b.fetch),
				Put:     b.put,
				Delete:  func() { b.fail(refusal(t, http.StatusNotFound, "")) },
				Break:   func() { b.fail(errors.New("connection refused, with " + conformance.Sentinel)) },
				Repair:  func() { b.fail(nil) },
				Hang:    func() { b.fail(errHang) },
				Deny:    func() { b.fail(refusal(t, http.StatusUnauthorized, "invalid_client")) },
				Restore: func() { b.fail(nil) },
			}
		},
		Skip: map[string]string{
			"Push": "a token endpoint tells nobody of a new token",
			"Arm":  "a token endpoint tells nobody of a new token",
			"Torn": "a token is one answer: half of it is no JSON, which x/oauth2 reports",
		},
	})
}

// refusal returns the error that x/oauth2 makes of a response; it includes the body.
func refusal(t testing.TB, status int, code string) error {
	t.Helper()
	return &oauth2.RetrieveError{
		Response:  &http.Response{StatusCode: status, Status: http.StatusText(status)},
		Body:      []byte("client_secret=" + conformance.Sentinel),
		ErrorCode: code,
	}
}

var errHang = errors.New("hang")

// tokens is the state of a token endpoint.
type tokens struct {
	mu    sync.Mutex
	token string
	err   error
}

func (b *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	b.mu.Lock()
	token, err := b.token, b.err
	b.mu.Unlock()
	switch {
	case err == errHang:
		<-ctx.Done()
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	return &oauth2.Token{AccessToken: token, TokenType: "Bearer"}, nil
}

func (b *tokens) put(keys ...source.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token, b.err = "", nil
	if len(keys) > 0 {
		b.token = keys[0].Secret.Expose()
	}
}

func (b *tokens) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}
