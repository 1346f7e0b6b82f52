package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Each fault injected into a server, or into the client that reaches it, fails the case
// that looks for it. The server without a fault passes all cases.
func TestAPISuiteFindsFaults(t *testing.T) {
	faults := map[string]string{
		"":                          "",
		"no orders":                 "Accepts: POST with a live key",
		"no challenge":              "RefusesNone: status 401, WWW-Authenticate",
		"accepts no key":            "RefusesNone: status 200",
		"accepts a part":            "RefusesOthers: without its end",
		"ignores letter case":       "RefusesOthers: case): status 200, want 401",
		"one key at a time":         "TwoLive: key v1: status 401, want 200",
		"never drops":               "Drop: key v1: status 200, want 401",
		"drops on new connections":  "Drop: key v1: status 200, want 401",
		"never takes back":          "Return: key v1: status 401, want 200",
		"refuses during a change":   "Undisturbed: during a change of keys: status 401",
		"cuts during a change":      "Undisturbed: during a change of keys",
		"refuses orders meanwhile":  "Undisturbed: POST during a change",
		"open without keys":         "Drop: key v2: status 200, want 401",
		"shows the key":             "NoEcho: contains a secret",
		"logs the newest":           "Log: for a request with key v1",
		"logs refusals as accepted": "Log: for a request with key v3",
		"answers 503":               "Rotation: status 503",
		"every second fails":        "Rotation: during a change of keys",
		"every second order fails":  "Rotation: POST during a change",
	}
	eachFails(t, conformance.APICases(), faults)
	for fault, want := range faults {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			g := &gate{fault: fault, logged: make(map[string][]string)}
			srv := httptest.NewServer(g)
			defer srv.Close()
			admin := conformance.APIAdmin{Accept: g.accept, Logged: g.log}
			base := &http.Transport{MaxIdleConnsPerHost: 16}
			defer base.CloseIdleConnections()
			admin.Client = &http.Client{Transport: &lossy{base: base, fault: fault}}
			wanted := findings(want)
			admin.Skip = others(conformance.APICases(), func(name string) bool { _, ok := wanted[name]; return ok || fault == "" })
			found(t, fault, conformance.APIResults(t, srv.URL, admin), wanted)
		})
	}
}

// lossy is a RoundTripper that fails every second request.
type lossy struct {
	base  http.RoundTripper
	fault string
	mu    sync.Mutex
	sent  int
}

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.fault == "every second fails" || l.fault == "every second order fails" && req.Method == http.MethodPost {
		l.mu.Lock()
		l.sent++
		fails := l.sent%2 == 0
		l.mu.Unlock()
		if fails {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, errors.New("lost")
		}
	}
	return l.base.RoundTrip(req)
}

// gate is a server whose accepted keys change, with one fault.
type gate struct {
	fault string

	mu       sync.Mutex
	keys     []source.Key
	past     []source.Key      // every key that was ever dropped
	met      map[string]string // the credential of each connection's first request
	changing int               // how many requests the last change still affects
	logged   map[string][]string
}

func (g *gate) accept(_ context.Context, keys ...source.Key) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.fault {
	case "one key at a time":
		keys = keys[:1]
	case "never drops":
		keys = append(keys, g.keys...)
	case "never takes back":
		for _, old := range g.past {
			if len(keys) > 0 && keys[0].SameContent(old) {
				keys = keys[1:]
			}
		}
		g.past = append(g.past, g.keys...)
	}
	g.keys, g.changing = keys, 2
	return nil
}

func (g *gate) log(_ context.Context, id string) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.logged[id], nil
}

// version returns the version of the accepted key with this credential.
func (g *gate) version(credential, connection string) (version string, ok bool) {
	for _, key := range g.keys {
		want := "Bearer " + key.Secret.Expose()
		switch {
		case credential == want,
			g.fault == "accepts a part" && len(credential) > 20 && strings.HasPrefix(want, credential),
			g.fault == "ignores letter case" && strings.EqualFold(credential, want),
			g.fault == "accepts no key" && credential == "",
			g.fault == "drops on new connections" && g.met[connection] == credential && credential != "":
			return key.Version, true
		}
	}
	return "", g.fault == "open without keys" && len(g.keys) == 0
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	credential, id := r.Header.Get("Authorization"), r.Header.Get("X-Request-Id")
	version, ok := g.version(credential, r.RemoteAddr)
	if ok && g.fault == "drops on new connections" {
		if g.met == nil {
			g.met = make(map[string]string)
		}
		g.met[r.RemoteAddr] = credential
	}
	note := version
	switch {
	case g.fault == "logs the newest" && ok:
		note = g.keys[0].Version
	case g.fault == "logs refusals as accepted" && !ok:
		note = g.keys[0].Version
	}
	g.logged[id] = append(g.logged[id], note)
	if ok && g.changing > 0 {
		g.changing--
		switch g.fault {
		case "refuses during a change":
			ok = false
		case "refuses orders meanwhile":
			ok = r.Method == http.MethodGet
		case "answers 503":
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case "cuts during a change":
			panic(http.ErrAbortHandler)
		}
	}
	if g.fault == "no orders" && r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if !ok {
		if g.fault != "no challenge" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="gate"`)
		}
		w.WriteHeader(http.StatusUnauthorized)
		if g.fault == "shows the key" {
			fmt.Fprintf(w, "no such key: %s", credential)
		}
		return
	}
	fmt.Fprint(w, version)
}
