package provider_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// pace lets each request meet at most one change: a step ends when all requests that
// began before it are done.
type pace struct {
	mu    sync.Mutex
	moved sync.Cond
	step  int
	out   map[int]int // requests by the step that they began in
	done  int         // in this step
}

func newPace() *pace {
	p := &pace{out: map[int]int{}}
	p.moved.L = &p.mu
	return p
}

// request runs f as a request.
func (p *pace) request(f func()) {
	p.mu.Lock()
	step := p.step
	p.out[step]++
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out[step]--; p.out[step] == 0 {
		delete(p.out, step)
	}
	p.done++
	p.moved.Broadcast()
}

// next waits for n requests, and for all requests of earlier steps.
func (p *pace) next(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.done < n || len(p.out) > 1 || len(p.out) == 1 && p.out[p.step] == 0 {
		p.moved.Wait()
	}
	p.step, p.done = p.step+1, 0
}

// slackAuth finds the token of a request as Slack does: in the header, else in the form
// or query.
type slackAuth struct{ mockapi.Authenticator }

func (s slackAuth) Authenticate(r *http.Request, body func() ([]byte, error), keys mockapi.Keys) (string, *mockapi.Refusal) {
	data, err := body()
	if err != nil || strings.Contains(string(data)+r.URL.RawQuery, "dummy") {
		return "", &mockapi.Refusal{Status: http.StatusTeapot} // no test may see it
	}
	return s.Authenticator.Authenticate(r, body, keys)
}

// api is one API as the mock implements it.
type api struct {
	profile provider.Profile
	auth    mockapi.Authenticator
	refusal mockapi.Refusal
	success string // the answer to what is carried out
	header  http.Header
	body    func(n int64) (contentType, body string)
}

func apis() map[string]api {
	asJSON := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	object := func(n int64) (string, string) { return "application/json", fmt.Sprintf(`{"n":%d}`, n) }
	return map[string]api{
		"slack, form": {provider.Slack(), slackAuth{mockapi.Bearer()}, mockapi.Refusal{Status: 200, Body: `{"ok":false,"error":"token_revoked"}`},
			`{"ok":true}`, asJSON, func(n int64) (string, string) {
				return "application/x-www-form-urlencoded", fmt.Sprintf("channel=C1&text=%d&token=sentinel-dummy", n)
			}},
		"slack, JSON": {provider.Slack(), slackAuth{mockapi.Bearer()}, mockapi.Refusal{Status: 200, Body: `{"ok":false,"error":"token_expired"}`},
			`{"ok":true}`, asJSON, object},
		"datadog, 401": {provider.Datadog(""), mockapi.Headers(map[string]string{"DD-API-KEY": "secret", "DD-APPLICATION-KEY": "application-key"}),
			mockapi.Refusal{Status: 401, Body: `{"errors":["Unauthorized"]}`}, `{"status":"ok"}`, asJSON, object},
		"alpaca": {provider.Alpaca(), mockapi.Headers(map[string]string{"APCA-API-KEY-ID": "id", "APCA-API-SECRET-KEY": "secret"}),
			mockapi.Refusal{Status: 401, Body: `{"message":"unauthorized."}`}, `{"id":"1"}`, asJSON, object},
		"graphql, Apollo": {provider.GraphQL(transport.Bearer()), mockapi.Bearer(),
			mockapi.Refusal{Status: 200, Body: `{"errors":[{"message":"bad token","extensions":{"code":"UNAUTHENTICATED"}}]}` + "\n"},
			`{"data":{"add":{"errors":[]}}}`, asJSON, object},
		"graphql, Hasura": {provider.GraphQL(transport.Header("x-hasura-admin-secret")), mockapi.Header("x-hasura-admin-secret"),
			mockapi.Refusal{Status: 200, Body: `{"errors":[{"extensions":{"path":"$","code":"invalid-jwt"},"message":"Could not verify JWT: JWTExpired"}]}`},
			`{"data":{"insert":{"affected_rows":1}}}`, http.Header{"Content-Type": {"application/graphql-response+json"}}, object},
	}
}

// drill sends POSTs while keys rotate with the source first. If told is true, a refusal
// is not ambiguous, and they also rotate with the server first, which revokes the old
// key at once.
func drill(t *testing.T, a api, told bool) (sent, failed, orders int64) {
	t.Helper()
	const workers, rotations, each = 6, 8, 10
	a.refusal.Header = a.header
	var applied atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		applied.Add(1)
		maps.Copy(w.Header(), a.header)
		_, _ = io.WriteString(w, a.success)
	})
	mock := mockapi.New(t, mockapi.WithAuth(a.auth), mockapi.WithRefusal(a.refusal), mockapi.WithHandler(handler), mockapi.WithCredentialsLogged(),
		mockapi.WithGenerator(func(n int) mockapi.Spec {
			return mockapi.Spec{ID: fmt.Sprintf("id-%d", n), Secret: fmt.Sprintf("rksentinel_key%d", n),
				Extra: map[string]string{"application-key": fmt.Sprintf("rksentinel_app%d", n)}}
		}))
	refused := make(chan struct{}, 1)
	mock.Intercept(func(_ http.ResponseWriter, _ *http.Request, attempt mockapi.Attempt) bool {
		if !attempt.Accepted {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
		return false
	})
	current := mock.Issue(mockapi.Spec{})
	store := newShelf(current)
	keys, err := ring.Keep(t.Context(), store, ring.WithLogger(nil), ring.WithPoll(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	rt := a.profile.Transport(keys, transport.WithOrigin(mock.URL()), transport.WithOverride(), transport.WithBase(mock.Client().Transport))
	p := newPace()
	var count, lost atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for !over.Load() {
				p.request(func() {
					contentType, body := a.body(count.Add(1))
					resp, err := (&http.Client{Transport: rt}).Post(mock.URL()+"/api/chat.postMessage", contentType, strings.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					defer resp.Body.Close()
					if got, err := io.ReadAll(resp.Body); err != nil || string(got) != a.success {
						lost.Add(1)
						t.Logf("status %d, %s, %v", resp.StatusCode, got, err)
					}
				})
			}
		})
	}
	for i := range rotations {
		p.next(each)
		old := current
		if i%2 == 0 || !told { // the source first
			current = mock.Issue(mockapi.Spec{Inactive: true})
			store.put(current, old)
			p.next(each)
			if err := mock.Activate(current.Version); err != nil {
				t.Error(err)
			}
			p.next(each)
			if err := mock.Revoke(old.Version); err != nil {
				t.Error(err)
			}
			continue
		}
		select {
		case <-refused: // of an earlier rotation
		default:
		}
		current = mock.Rotate(0)
		<-refused
		store.put(current, old)
	}
	p.next(each)
	over.Store(true)
	wg.Wait()
	if s := keys.Status(); s.Current.Version != current.Version || s.Current.State != ring.StateAccepted {
		t.Errorf("%s is current and %v at the end", s.Current.Version, s.Current.State)
	}
	return count.Load(), lost.Load(), applied.Load()
}

// No POST fails while keys rotate, and each is carried out once. F67, F120
func TestPostsThroughRotationsOfEachAPI(t *testing.T) {
	for name, a := range apis() {
		t.Run(name, func(t *testing.T) {
			sent, failed, orders := drill(t, a, true)
			if failed != 0 || orders != sent {
				t.Errorf("%d of %d POSTs failed, %d were carried out", failed, sent, orders)
			}
			t.Logf("%d of %d POSTs failed", failed, sent)
		})
	}
}

// No POST fails either if a refusal is ambiguous, as long as the previous key is valid
// until the new one is. F67, F120
func TestAmbiguousPostsThroughRotations(t *testing.T) {
	all := apis()
	for name, refusal := range map[string]mockapi.Refusal{
		"slack, form":     {Status: 200, Body: `{"ok":false,"error":"invalid_auth"}`},
		"datadog, 401":    {Status: 403, Body: `{"errors":["Forbidden"]}`},
		"alpaca":          {Status: 403, Body: `{"message":"forbidden."}`},
		"graphql, Hasura": {Status: 200, Body: `{"errors":[{"extensions":{"path":"$","code":"access-denied"},"message":"x"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := all[name]
			a.refusal = refusal
			sent, failed, orders := drill(t, a, false)
			if failed != 0 || orders != sent {
				t.Errorf("%d of %d POSTs failed, %d were carried out", failed, sent, orders)
			}
			t.Logf("%d of %d POSTs failed", failed, sent)
		})
	}
}
