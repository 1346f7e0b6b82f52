package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// An apiTrial is one case at work.
type apiTrial struct {
	testing.TB
	admin  APIAdmin
	client *http.Client
	url    string
}

// ids tells the requests of a process apart.
var ids atomic.Uint64

func (s *apiTrial) accept(keys ...source.Key) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if err := s.admin.Accept(ctx, keys...); err != nil {
		s.Fatalf("Accept: %v", err)
	}
}

// ask sends a request with this Authorization, none where it is empty, and
// returns its id, the answer and all that the answer says. A server that is
// being reconfigured may cut connections, or those that wait to be accepted; that
// says nothing of keys, and the request is sent again.
func (s *apiTrial) ask(method, authorization string) (id string, resp *http.Response, said string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	id = fmt.Sprint("conformance-", ids.Add(1))
	for {
		var body io.Reader
		if method == http.MethodPost {
			body = strings.NewReader("order")
		}
		req, err := http.NewRequestWithContext(ctx, method, s.url+"/orders", body)
		if err != nil {
			s.Fatal(err)
		}
		req.Header.Set("X-Request-Id", id)
		req.Header.Set("Idempotency-Key", id)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err = s.client.Do(req)
		if err == nil {
			text, failed := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			said, err = fmt.Sprint(resp.Header, string(text)), failed
		}
		switch {
		case err == nil:
			return id, resp, said
		case ctx.Err() != nil:
			s.Fatalf("%s: %v", method, err)
		}
		within(ctx.Done(), time.Millisecond)
	}
}

// want sends a GET with the key and wants the status.
func (s *apiTrial) want(key source.Key, status int) {
	s.Helper()
	if _, resp, _ := s.ask(http.MethodGet, "Bearer "+key.Secret.Expose()); resp.StatusCode != status {
		s.Errorf("status %d for key %s, want %d", resp.StatusCode, key.Version, status)
	}
}

func apiAccepts(s *apiTrial) {
	s.accept(NewKey(1))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, resp, _ := s.ask(method, "Bearer "+NewKey(1).Secret.Expose()); resp.StatusCode != http.StatusOK {
			s.Errorf("status %d for %s", resp.StatusCode, method)
		}
	}
}

func apiRefusesNone(s *apiTrial) {
	s.accept(NewKey(1))
	_, resp, _ := s.ask(http.MethodGet, "")
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		s.Errorf("status %d, challenge %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
}

func apiRefusesOthers(s *apiTrial) {
	// A dot, a plus and a star must stand for themselves.
	key := source.Key{Version: "v1", Secret: source.NewSecret(NewKey(1).Secret.Expose() + ".a+b*c")}
	s.accept(key)
	s.want(key, http.StatusOK)
	good := key.Secret.Expose()
	for what, value := range map[string]string{
		"another key":          "Bearer " + NewKey(2).Secret.Expose(),
		"lower case":           "Bearer " + strings.ToLower(good),
		"upper case":           "Bearer " + strings.ToUpper(good),
		"without its end":      "Bearer " + good[:len(good)-1],
		"with more at its end": "Bearer " + good + "x",
		"with more before it":  "Bearer x" + good,
		"a wildcard taken":     "Bearer " + strings.Replace(good, ".a+b*c", "-aab*c", 1),
		"without a scheme":     good,
		"another scheme":       "Basic " + good,
		"twice":                "Bearer " + good + ", Bearer " + good,
		"nothing":              "Bearer ",
		"everything":           "Bearer *",
	} {
		if _, resp, _ := s.ask(http.MethodGet, value); resp.StatusCode != http.StatusUnauthorized {
			s.Errorf("status %d for %s, want 401", resp.StatusCode, what)
		}
	}
}

func apiTwoLive(s *apiTrial) {
	s.accept(NewKey(2), NewKey(1))
	s.want(NewKey(1), http.StatusOK)
	s.want(NewKey(2), http.StatusOK)
	s.want(NewKey(3), http.StatusUnauthorized)
}

func apiDrop(s *apiTrial) {
	s.accept(NewKey(2), NewKey(1))
	s.want(NewKey(1), http.StatusOK)
	s.accept(NewKey(2))
	for range 8 { // whichever worker or connection it is
		s.want(NewKey(1), http.StatusUnauthorized)
		s.want(NewKey(2), http.StatusOK)
	}
}

func apiReturn(s *apiTrial) {
	s.accept(NewKey(1))
	s.accept(NewKey(2))
	s.want(NewKey(1), http.StatusUnauthorized)
	s.accept(NewKey(1))
	s.want(NewKey(1), http.StatusOK)
	s.want(NewKey(2), http.StatusUnauthorized)
}

func apiUndisturbed(s *apiTrial) {
	s.accept(NewKey(1))
	ctx, stop := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	var sent atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, resp, _ := s.ask(http.MethodGet, "Bearer "+NewKey(1).Secret.Expose())
				if resp.StatusCode != http.StatusOK {
					s.Errorf("status %d for a key that stays live", resp.StatusCode)
					return
				}
				sent.Add(1)
				within(ctx.Done(), time.Millisecond)
			}
		})
	}
	for n := 2; n <= 6; n++ {
		s.accept(NewKey(n), NewKey(1))
		seen := sent.Load()
		eventually(s, "more requests", func() bool { return s.Failed() || sent.Load() >= seen+8 })
	}
	stop()
	wg.Wait()
}

// F95
func apiNoEcho(s *apiTrial) {
	s.accept(NewKey(1))
	_, _, said := s.ask(http.MethodGet, "Bearer "+NewKey(2).Secret.Expose())
	noSecret(s, "a refusal", said)
	_, _, said = s.ask(http.MethodGet, "Bearer "+NewKey(1).Secret.Expose())
	noSecret(s, "an answer", said)
}

// F74
func apiLog(s *apiTrial) {
	need(s, "Logged", s.admin.Logged != nil)
	s.accept(NewKey(2), NewKey(1))
	for _, c := range []struct {
		key  source.Key
		want string
	}{{NewKey(1), "v1"}, {NewKey(2), "v2"}, {NewKey(3), ""}} {
		id, _, _ := s.ask(http.MethodGet, "Bearer "+c.key.Secret.Expose())
		ctx, cancel := context.WithTimeout(s.Context(), limit)
		got, err := s.admin.Logged(ctx, id)
		cancel()
		if err != nil {
			s.Fatalf("Logged: %v", err)
		}
		if !slices.Equal(got, []string{c.want}) {
			s.Errorf("the log has %q for a request with %s, want %q", got, c.key.Version, c.want)
		}
	}
}

// F60, F61, F71
func apiRotation(s *apiTrial) {
	keys := &Keys{}
	s.accept(NewKey(1))
	keys.set(NewKey(1), false)
	ring, err := source.Keep(s.Context(), keys, source.WithLogger(nil))
	if err != nil {
		s.Fatal(err)
	}
	defer ring.Close()
	base := s.client.Transport
	s.client = &http.Client{Transport: transport.New(ring, transport.Bearer(), transport.WithBase(base), transport.WithOrigin(s.url))}

	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	var wg sync.WaitGroup
	var sent atomic.Int64
	for n := range 4 {
		wg.Go(func() {
			method := []string{http.MethodGet, http.MethodPost}[n%2]
			for ctx.Err() == nil {
				_, resp, _ := s.ask(method, "")
				if resp.StatusCode != http.StatusOK {
					s.Errorf("status %d: a %s failed", resp.StatusCode, method)
					return
				}
				sent.Add(1)
				within(ctx.Done(), time.Millisecond)
			}
		})
	}
	more := func() {
		seen := sent.Load()
		eventually(s, "more requests", func() bool { return s.Failed() || sent.Load() >= seen+16 })
	}
	more()
	for n := 2; n <= 7; n++ {
		old, next := NewKey(n-1), NewKey(n)
		if n%2 == 0 { // the source first
			keys.set(next, false)
			more()
			s.accept(next, old)
			s.accept(next)
		} else {
			s.accept(next)
			keys.set(next, false)
		}
		more()
		if v := ring.Version(); v != next.Version {
			s.Errorf("version %s is used, want %s", v, next.Version)
		}
	}
	stop()
	wg.Wait()
}
