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
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// An apiTrial is the state of one running case.
type apiTrial struct {
	testing.TB
	admin  APIAdmin
	client *http.Client
	url    string
}

// ids numbers the requests of the process.
var ids atomic.Uint64

func (s *apiTrial) accept(keys ...source.Key) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if err := s.admin.Accept(ctx, keys...); err != nil {
		s.Fatalf("Accept: %v", err)
	}
}

// ask sends a request with the header Authorization, or without it if
// authorization is empty. It returns the request's id, the response, and the
// response's header and body as text.
func (s *apiTrial) ask(method, authorization string) (id string, resp *http.Response, said string) {
	s.Helper()
	id, resp, said, err := s.send(method, authorization)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	return id, resp, said
}

// send is like ask but returns the error, so that any goroutine may call it. It
// does not repeat a failed request, because a retry would hide what the suite
// looks for.
func (s *apiTrial) send(method, authorization string) (id string, resp *http.Response, said string, err error) {
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	id = fmt.Sprint("conformance-", ids.Add(1))
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("order")
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+"/orders", body)
	if err != nil {
		return id, nil, "", err
	}
	req.Header.Set("X-Request-Id", id)
	if method == http.MethodPost {
		// A server that is reconfigured closes idle connections. net/http repeats a
		// request on a closed connection, but a POST only with this header.
		req.Header.Set("Idempotency-Key", id)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err = s.client.Do(req)
	if err != nil {
		return id, nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return id, resp, fmt.Sprint(resp.Header, string(text)), err
}

// traffic sends requests from four goroutines, which take the methods in turn.
// Each request must get 200. more waits for 16 further responses. stop ends the
// traffic and waits for the requests in flight.
func (s *apiTrial) traffic(authorization string, methods ...string) (more, stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	var sent atomic.Int64
	for n := range 4 {
		method := methods[n%len(methods)]
		wg.Go(func() {
			for ctx.Err() == nil {
				_, resp, _, err := s.send(method, authorization)
				if err != nil {
					s.Errorf("%s during a change of keys: %v", method, err)
					return
				}
				if resp.StatusCode != http.StatusOK {
					s.Errorf("%s during a change of keys: status %d, want 200", method, resp.StatusCode)
					return
				}
				sent.Add(1)
				within(ctx.Done(), time.Millisecond)
			}
		})
	}
	more = func() {
		s.Helper()
		seen := sent.Load()
		eventually(s, "further requests were answered", func() bool { return s.Failed() || sent.Load() >= seen+16 })
	}
	return more, func() { cancel(); wg.Wait() }
}

// want sends a GET with the key and checks the status.
func (s *apiTrial) want(key source.Key, status int) {
	s.Helper()
	if _, resp, _ := s.ask(http.MethodGet, "Bearer "+key.Secret.Expose()); resp.StatusCode != status {
		s.Errorf("GET with key %s: status %d, want %d", key.Version, resp.StatusCode, status)
	}
}

func apiAccepts(s *apiTrial) {
	s.accept(NewKey(1))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, resp, _ := s.ask(method, "Bearer "+NewKey(1).Secret.Expose()); resp.StatusCode != http.StatusOK {
			s.Errorf("%s with a live key: status %d, want 200", method, resp.StatusCode)
		}
	}
}

func apiRefusesNone(s *apiTrial) {
	s.accept(NewKey(1))
	_, resp, _ := s.ask(http.MethodGet, "")
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		s.Errorf("GET without a key: status %d, WWW-Authenticate %q, want 401 with a challenge", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
}

func apiRefusesOthers(s *apiTrial) {
	// The server must not read the dot, plus and star as a pattern.
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
			s.Errorf("GET with a key that is not live (%s): status %d, want 401", what, resp.StatusCode)
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
	for range 8 { // several times, to reach other workers and connections of the server
		s.want(NewKey(1), http.StatusUnauthorized)
		s.want(NewKey(2), http.StatusOK)
	}
	s.accept() // drop the last key too
	s.want(NewKey(2), http.StatusUnauthorized)
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
	more, stop := s.traffic("Bearer "+NewKey(1).Secret.Expose(), http.MethodGet, http.MethodPost)
	defer stop()
	for n := 2; n <= 6 && !s.Failed(); n++ {
		s.accept(NewKey(n), NewKey(1))
		more()
	}
}

// F95
func apiNoEcho(s *apiTrial) {
	s.accept(NewKey(1))
	_, _, said := s.ask(http.MethodGet, "Bearer "+NewKey(2).Secret.Expose())
	noSecret(s, "the response to a refused request", said)
	_, _, said = s.ask(http.MethodGet, "Bearer "+NewKey(1).Secret.Expose())
	noSecret(s, "the response to an accepted request", said)
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
			s.Errorf("Logged returned %q for a request with key %s, want %q", got, c.key.Version, c.want)
		}
	}
}

// F60, F61, F71
func apiRotation(s *apiTrial) {
	keys := &Keys{}
	s.accept(NewKey(1))
	keys.set(NewKey(1), false)
	live, err := ring.Keep(s.Context(), keys, ring.WithLogger(nil))
	if err != nil {
		s.Fatal(err)
	}
	defer live.Close()
	base := s.client.Transport
	s.client = &http.Client{Transport: transport.New(live, transport.Bearer(), transport.WithBase(base), transport.WithOrigin(s.url))}

	more, stop := s.traffic("", http.MethodGet, http.MethodPost)
	defer stop()
	more()
	for n := 2; n <= 7 && !s.Failed(); n++ {
		old, next := NewKey(n-1), NewKey(n)
		if n%2 == 0 { // the source changes first
			keys.set(next, false)
			more()
			s.accept(next, old)
			s.accept(next)
		} else {
			s.accept(next)
			keys.set(next, false)
		}
		more()
		if v := live.Version(); v != next.Version {
			s.Errorf("the ring uses version %s, want %s", v, next.Version)
		}
	}
}
