package transport_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

const dummy = "sentinel-dummy"

// pair is a scheme of two headers. It may sign the query too.
type pair struct{ transport.Scheme }

func newPair() pair {
	return pair{transport.SchemeFunc(func(key source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(r *http.Request) error {
			r.Header["X-Key"], r.Header["X-Sign"] = []string{key.Secret.Expose()}, []string{"signed"}
			return nil
		}), nil
	})}
}

func (pair) Traits() transport.Traits {
	return transport.Traits{Headers: []string{"X-Key", "X-Sign"}, Fields: []string{"token"}}
}

// owned are requests with something in the scheme's places.
var owned = map[string]struct {
	scheme transport.Scheme
	set    func(*http.Request)
	where  string // empty: not a credential
}{
	"bearer":              {transport.Bearer(), header("Authorization", "Bearer "+dummy), `header "Authorization"`},
	"another scheme":      {transport.Bearer(), header("Authorization", "Basic "+b64(dummy+":")), `header "Authorization"`},
	"no scheme":           {transport.Bearer(), header("Authorization", dummy), `header "Authorization"`},
	"second value":        {transport.Bearer(), header("Authorization", "", "Bearer "+dummy), `header "Authorization"`},
	"api key":             {transport.Header("X-API-Key"), header("X-Api-Key", dummy), `header "X-Api-Key"`},
	"as documented":       {transport.Header("X-API-Key"), header("X-API-Key", dummy), `header "X-Api-Key"`},
	"lower case":          {transport.Header("X-API-Key"), header("x-api-key", dummy), `header "X-Api-Key"`},
	"user":                {transport.Basic(), func(r *http.Request) { r.SetBasicAuth("u", dummy) }, `header "Authorization"`},
	"user information":    {transport.Bearer(), func(r *http.Request) { r.URL.User = url.UserPassword("u", dummy) }, `header "Authorization"`},
	"query":               {transport.Query("key"), func(r *http.Request) { r.URL.RawQuery = "a=1&key=" + dummy + "&b=2" }, `query parameter "key"`},
	"one of two":          {newPair(), header("X-Sign", dummy), `header "X-Sign"`},
	"form field":          {newPair(), form("a=1&token=" + dummy + "&b=2"), `form field "token"`},
	"empty":               {transport.Header("X-Api-Key"), header("X-Api-Key", ""), ""},
	"nothing":             {transport.Header("X-Api-Key"), header("X-Api-Key"), ""},
	"bare bearer":         {transport.Bearer(), header("Authorization", "Bearer "), ""},
	"bare token":          {transport.HeaderPrefix("Authorization", "Token "), header("Authorization", "token"), ""},
	"nobody":              {transport.Bearer(), func(r *http.Request) { r.SetBasicAuth("", "") }, ""},
	"empty parameter":     {transport.Query("key"), func(r *http.Request) { r.URL.RawQuery = "a=1&key=&b=2" }, ""},
	"empty field":         {newPair(), form("a=1&token=&b=2"), ""},
	"spelled and empty":   {transport.Header("X-API-Key"), header("x-api-key", " "), ""},
	"user without a name": {transport.Bearer(), func(r *http.Request) { r.URL.User = url.User("") }, ""},
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

func form(body string) func(*http.Request) {
	return func(r *http.Request) {
		fresh, _ := http.NewRequest(http.MethodPost, "https://a.example", strings.NewReader(body))
		r.Method, r.Body, r.GetBody, r.ContentLength = fresh.Method, fresh.Body, fresh.GetBody, fresh.ContentLength
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// wire is everything that a server receives of a request.
func wire(r *http.Request) string {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	return fmt.Sprint(r.Method, r.URL, r.Header, string(body), r.Trailer)
}

// A request that already has a credential is not sent. The error names its place and
// the options. An empty value is not a credential.
//
// F47, F113
func TestOwnCredentialIsAnError(t *testing.T) {
	for name, c := range owned {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				sent.Add(1)
				text := wire(r)
				if n := strings.Count(text, sentinel); n != 1 {
					t.Errorf("%d keys of the ring's on the request", n)
				}
				return status(http.StatusOK), nil
			})
			rt := transport.New(quiet(t, newStore("v1")), c.scheme, transport.WithBase(base), transport.WithOrigin("https://api.example.com"))
			req := get(t, "https://api.example.com/v1")
			c.set(req)
			resp, err := rt.RoundTrip(req)
			if c.where == "" {
				if err != nil || sent.Load() != 1 {
					t.Fatalf("%v, sent %d times", err, sent.Load())
				}
				resp.Body.Close()
				return
			}
			if !errors.Is(err, transport.ErrCredential) || sent.Load() != 0 {
				t.Fatalf("%v, sent %d times", err, sent.Load())
			}
			for _, want := range []string{c.where, "api.example.com", "WithOverride", "WithPassThrough"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %s: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), dummy) {
				t.Error("the error shows the credential")
			}
		})
	}
}

// With WithOverride the ring's key is sent instead, in both attempts, and nothing of
// the caller's credential. The caller's request does not change.
//
// F113
func TestOverride(t *testing.T) {
	for name, c := range owned {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				var attempts atomic.Int64
				srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					plain := wire(r)
					if _, password, ok := r.BasicAuth(); ok {
						plain += password
					}
					if strings.Contains(plain, dummy) || strings.Contains(plain, b64(dummy)) {
						t.Error("the caller's own credential arrived")
					}
					if !strings.Contains(plain, sentinel) {
						t.Error("the ring's key did not arrive")
					}
					if strings.Contains(plain, "a=1") && !strings.Contains(plain, "a=1&b=2") {
						t.Error("the other parameters were changed")
					}
					if attempts.Add(1) == 1 {
						w.WriteHeader(http.StatusUnauthorized)
					}
				}))
				rt := unbound(keep(t, newStore("v2", "v1")), c.scheme, transport.WithBase(srv.base(t)), transport.WithOverride())
				req := get(t, srv.URL)
				c.set(req)
				before := fmt.Sprint(req.URL, req.Header)
				send(t, rt, req).want(t, http.StatusOK, "v1", 2)
				if name != "user information" && fmt.Sprint(req.URL, req.Header) != before {
					t.Error("the caller's request was changed")
				}
			})
		})
	}
}

// The caller's credential is not sent either if no key is needed, or if a redirect
// leaves the origin.
//
// F113
func TestOverrideElsewhere(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		check := func(r *http.Request) {
			if strings.Contains(wire(r), dummy) || strings.Contains(fmt.Sprint(r.Header), sentinel) {
				t.Errorf("%s: a credential arrived", r.URL.Path)
			}
		}
		other := p.serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { check(r) }))
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/public" {
				check(r)
				return
			}
			http.Redirect(w, r, other.URL+"/elsewhere", http.StatusTemporaryRedirect)
		}))
		scheme := with(newPair(), func(traits *transport.Traits) {
			traits.NeedsKey = func(r *http.Request) bool { return r.URL.Path != "/public" }
		})
		base := srv.base(t)
		base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
		rt := transport.New(keep(t, newStore("v1")), scheme, transport.WithBase(base), transport.WithOverride(), transport.WithOrigin(srv.URL))
		for _, path := range []string{"/public", "/private"} {
			req := get(t, srv.URL+path)
			form("token=" + dummy)(req)
			req.Header.Set("X-Key", dummy)
			send(t, rt, req).want(t, http.StatusOK, "", map[string]int{"/public": 1, "/private": 2}[path])
		}
	})
}

// With WithPassThrough a request with its own credential is sent unchanged, and the
// caller gets its refusal.
//
// F47
func TestPassThrough(t *testing.T) {
	for name, c := range owned {
		if c.where == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var got string
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				got = wire(r)
				return status(http.StatusUnauthorized), nil
			})
			keys := quiet(t, newStore("v1"), ring.WithRefusalWait(0))
			rt := unbound(keys, c.scheme, transport.WithBase(base), transport.WithPassThrough())
			req := get(t, "https://api.example.com/v1")
			c.set(req)
			a := send(t, rt, req)
			a.want(t, http.StatusUnauthorized, transport.CallersKey, 1)
			if !strings.Contains(got, dummy) && !strings.Contains(got, b64(dummy+":")) && !strings.Contains(got, b64("u:"+dummy)) || strings.Contains(got, sentinel) {
				t.Error("the request was changed")
			}
			if st := keys.Status(); st.Versions[0].Requests != 0 || st.Callers.Requests != 1 {
				t.Errorf("counted %d and %d times", st.Versions[0].Requests, st.Callers.Requests)
			}
		})
	}
}

// Of the two options the last counts.
func TestLastOfOverrideAndPassThroughCounts(t *testing.T) {
	var got []string
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = append(got, r.Header.Get("Authorization"))
		return status(http.StatusOK), nil
	})
	keys := quiet(t, newStore("v1"))
	for _, opts := range [][]transport.Option{
		{transport.WithOverride(), transport.WithPassThrough(), transport.WithBase(base)},
		{transport.WithPassThrough(), transport.WithOverride(), transport.WithBase(base)},
	} {
		req := get(t, "https://a.example")
		header("Authorization", "Bearer "+dummy)(req)
		send(t, unbound(keys, transport.Bearer(), opts...), req)
	}
	if want := []string{"Bearer " + dummy, "Bearer " + sentinel + "v1"}; !slices.Equal(got, want) {
		t.Error("another one counted")
	}
}

// If the ring knows a caller's own key, in any spelling, it counts as a use of its
// version. While a key that the ring does not know is used, no version is safe to
// revoke.
//
// F114
func TestCallersKeysCount(t *testing.T) {
	id := source.Key{Version: "v1", ID: "sentinel-id-1", Secret: source.NewSecret(sentinel + "v1")}
	next := source.Key{Version: "v2", ID: "sentinel-id-2", Secret: source.NewSecret(sentinel + "v2")}
	for name, c := range map[string]struct {
		scheme transport.Scheme
		set    func(*http.Request)
		known  bool
	}{
		"bearer":         {transport.Bearer(), header("Authorization", "Bearer "+sentinel+"v1"), true},
		"another scheme": {transport.Bearer(), header("Authorization", "Token  "+sentinel+"v1"), true},
		"header":         {transport.Header("X-Api-Key"), header("X-Api-Key", sentinel+"v1"), true},
		"basic":          {transport.Basic(), func(r *http.Request) { r.SetBasicAuth("sentinel-id-1", sentinel+"v1") }, true},
		"query":          {transport.Query("key"), func(r *http.Request) { r.URL.RawQuery = "key=" + dummy }, false},
		"signed":         {newPair(), header("X-Key", "sentinel-id-1"), true},
		"unknown":        {transport.Bearer(), header("Authorization", "Bearer "+dummy), false},
		"a user's other": {transport.Basic(), func(r *http.Request) { r.SetBasicAuth("sentinel-id-1", dummy) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: source.Set{Keys: []source.Key{id}}, kick: make(chan struct{}, 1)}
				keys := quiet(t, s)
				out := make(chan struct{})
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/long" {
						<-out
					}
					return status(http.StatusOK), nil
				})
				rt := unbound(keys, c.scheme, transport.WithBase(base), transport.WithPassThrough())
				own := func(path string) *http.Request {
					req := get(t, "https://a.example"+path)
					c.set(req)
					return req
				}
				s.mu.Lock()
				s.set = source.Set{Keys: []source.Key{next, id}}
				s.mu.Unlock()
				if err := keys.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				safe := func(want bool, when string) {
					t.Helper()
					send(t, rt, get(t, "https://a.example/"))
					st := keys.Status()
					if v := st.Versions[1]; v.Version != "v1" || v.SafeToRevoke != want {
						t.Errorf("%s: %s safe to revoke: %v, %s", when, v.Version, v.SafeToRevoke, v.Reason)
					}
				}
				send(t, rt, get(t, "https://a.example/"))
				time.Sleep(11 * time.Minute)
				safe(true, "before")
				for range 12 {
					send(t, rt, own("/")).want(t, http.StatusOK, transport.CallersKey, 1)
				}
				safe(false, "just after")
				st := keys.Status()
				if n := st.Versions[1].Requests; c.known != (n == 12) {
					t.Errorf("%d requests of v1", n)
				}
				if n := st.Callers.Requests; c.known == (n == 12) {
					t.Errorf("%d requests with unknown keys", n)
				}
				time.Sleep(2 * time.Minute)
				safe(true, "a while after")
				go func() { _, _ = try(rt, own("/long")) }()
				time.Sleep(2 * time.Minute)
				safe(false, "while one is out")
				close(out)
				synctest.Wait()
				time.Sleep(2 * time.Minute)
				safe(true, "in the end")
			})
		})
	}
}

// named is a source with a name.
type named struct{ source.Source }

func (named) String() string { return "store://callers" }

// The ring's log says where callers' own keys are and how many there were, without the
// secret: at once, and then once a minute. Status counts them.
//
// F141
func TestCallersKeysAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		keys := quiet(t, named{newStore("v1")}, ring.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(takes("mine")), transport.WithPassThrough())
		for range 3 {
			for range 5 {
				req := get(t, "https://api.example.com/")
				header("Authorization", "Bearer "+dummy)(req)
				send(t, rt, req)
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		told := slices.Collect(strings.Lines(log.String()))
		if len(told) != 3 {
			t.Fatalf("logged: %s", told)
		}
		for i, text := range told {
			for _, part := range []string{"level=WARN", "key.source=store://callers", `header \"Authorization\"`, "api.example.com", fmt.Sprintf("(%d so far)", i*5+1)} {
				if !strings.Contains(text, part) || strings.Contains(text, dummy) {
					t.Errorf("logged %s, without %q", text, part)
				}
			}
		}
		if n := keys.Status().Callers.Requests; n != 15 {
			t.Errorf("Status counts %d", n)
		}
	})
}
