package transport_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Each scheme sends the key as documented.
func TestSchemesOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		scheme      transport.Scheme
		header, uri string
		want        []string
	}{
		"bearer":      {transport.Bearer(), "Authorization", "/?a=b", []string{"Bearer sentinel-1+e/c"}},
		"header":      {transport.Header("x-api-key"), "X-Api-Key", "/?a=b", []string{"sentinel-1+e/c r&t"}},
		"prefix":      {transport.HeaderPrefix("Authorization", "Token "), "Authorization", "/?a=b", []string{"Token sentinel-1+e/c"}},
		"basic":       {transport.Basic(), "Authorization", "/?a=b", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("id:sentinel-1+e/c r&t"))}},
		"query":       {transport.Query("k e y"), "Authorization", "/?a=b&k+e+y=sentinel-1%2Be%2Fc+r%26t", nil},
		"query alone": {transport.Query("key"), "Authorization", "/?key=sentinel-1%2Be%2Fc+r%26t", nil},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				srv := p.serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if got := r.Header[c.header]; fmt.Sprint(got) != fmt.Sprint(c.want) || r.RequestURI != c.uri {
						t.Errorf("%s %q, URI %s; want %q, %s", c.header, got, r.RequestURI, c.want, c.uri)
					}
				}))
				secret := "sentinel-1+e/c r&t"
				if name == "bearer" || name == "prefix" { // what follows the name of an authentication scheme is one word
					secret = "sentinel-1+e/c"
				}
				ring := keep(t, source.Static(source.Key{ID: "id", Secret: source.NewSecret(secret)}))
				rt := unbound(ring, c.scheme, transport.WithBase(srv.base(t)))
				path := "/?a=b"
				if name == "query alone" {
					path = "/"
				}
				send(t, rt, get(t, srv.URL+path)).want(t, http.StatusOK, "static", 1)
			})
		})
	}
}

// Prepare returns an error for a key that the scheme cannot use. The error does not
// quote the key.
//
// F19, F20, F144, F153
func TestPrepareRefusesWhatCannotBeSent(t *testing.T) {
	for name, c := range map[string]struct {
		scheme transport.Scheme
		key    source.Key
	}{
		"empty":             {transport.Bearer(), source.Key{}},
		"two words":         {transport.Bearer(), source.Key{Secret: source.NewSecret(sentinel + " # new")}},                                // F153
		"basic, control":    {transport.Basic(), source.Key{ID: "a", Secret: source.NewSecret(sentinel + "\u0085")}},                        // F153
		"basic, ID":         {transport.Basic(), source.Key{ID: sentinel + "\n", Secret: source.NewSecret(sentinel)}},                       // F153
		"basic, PEM":        {transport.Basic(), source.Key{ID: "a", Secret: source.NewSecret("-----BEGIN X-----\n" + sentinel)}},           // F144
		"query, PEM":        {transport.Query("key"), source.Key{Secret: source.NewSecret("-----BEGIN X-----\n" + sentinel)}},               // F144
		"HMAC, PEM":         {transport.HMAC(sha256.New, nil, nil), source.Key{Secret: source.NewSecret(sentinel + ` "-----BEGIN X-----`)}}, // F144
		"CR LF":             {transport.Bearer(), source.Key{Secret: source.NewSecret(sentinel + "\r\nX-Evil: 1")}},
		"NUL":               {transport.Header("X-Api-Key"), source.Key{Secret: source.NewSecret(sentinel + "\x00")}},
		"not ASCII":         {transport.Header("X-Api-Key"), source.Key{Secret: source.NewSecret(sentinel + "é")}},
		"blank at the end":  {transport.Header("X-Api-Key"), source.Key{Secret: source.NewSecret(sentinel + " ")}},
		"DEL":               {transport.Bearer(), source.Key{Secret: source.NewSecret(sentinel + "\x7f")}},
		"header name":       {transport.Header("X Api Key"), source.Key{Secret: source.NewSecret(sentinel)}},
		"no header name":    {transport.Header(""), source.Key{Secret: source.NewSecret(sentinel)}},
		"colon in the user": {transport.Basic(), source.Key{ID: "a:b", Secret: source.NewSecret(sentinel)}},
		"basic, no secret":  {transport.Basic(), source.Key{ID: "a"}},
		"query, no secret":  {transport.Query("key"), source.Key{}},
		"query, no name":    {transport.Query(""), source.Key{Secret: source.NewSecret(sentinel)}},
		"not base64": {transport.HMAC(sha256.New, func(s string) ([]byte, error) {
			return nil, fmt.Errorf("cannot decode %s", s)
		}, nil), source.Key{Secret: source.NewSecret(sentinel)}},
		"HMAC, empty": {transport.HMAC(sha256.New, nil, nil), source.Key{}},
	} {
		signer, err := c.scheme.Prepare(c.key)
		if signer != nil || !errors.Is(err, source.ErrUnusable) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), sentinel) {
			t.Errorf("%s: %v, error %v", name, signer, err)
		}
	}
}

// Basic carries any password without control characters: the example of RFC 7617 section 2.1,
// and others.
//
// F153
func TestBasicCarriesAnyPassword(t *testing.T) {
	for user, password := range map[string]string{
		"test": "123£", "Aladdin": "open sesame", "Jürgen Groß": "sentinel-ä", "a": "[sentinel-1]", "b": "<sentinel-2>", "c": "{sentinel-3}", "d": "密碼 🔑",
	} {
		signer, err := transport.Basic().Prepare(source.Key{ID: user, Secret: source.NewSecret(password)})
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		req := get(t, "https://api.example.com/")
		if err := signer.Sign(req); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if gotUser, got, ok := req.BasicAuth(); !ok || gotUser != user || got != password {
			t.Errorf("%s: the server gets %q, %q", user, gotUser, got)
		}
		if user == "test" && req.Header.Get("Authorization") != "Basic dGVzdDoxMjPCow==" {
			t.Errorf("not the example of RFC 7617: %s", req.Header.Get("Authorization"))
		}
	}
}

// signing is a scheme like those of exchanges: a key id, a nonce that grows for each
// key, and a MAC over both and the body.
func signing(clock *atomic.Int64) transport.Scheme {
	return transport.HMAC(sha256.New, nil, func(req *http.Request, key source.Key, mac func(...[]byte) []byte) error {
		body, err := transport.Body(req)
		if err != nil {
			return err
		}
		nonce := strconv.FormatInt(clock.Add(1), 10)
		req.Header.Set("X-Key", key.ID)
		req.Header.Set("X-Nonce", nonce)
		req.Header.Set("X-Sign", hex.EncodeToString(mac([]byte(nonce), []byte(req.Method), body)))
		return nil
	})
}

// Every attempt is signed anew, with its own key and nonce. The server accepts each
// nonce once.
//
// F49
func TestEveryAttemptIsSignedAnew(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		var mu sync.Mutex
		last := map[string]int64{}
		g := newGate("v1")
		g.secret = func(r *http.Request) string {
			version := strings.TrimPrefix(r.Header.Get("X-Key"), "id-")
			nonce, _ := strconv.ParseInt(r.Header.Get("X-Nonce"), 10, 64)
			mac := hmac.New(sha256.New, []byte(sentinel+version))
			fmt.Fprint(mac, nonce, r.Method, "order")
			mu.Lock()
			defer mu.Unlock()
			if len(r.Header["X-Nonce"]) != 1 || nonce <= last[version] || r.Header.Get("X-Sign") != hex.EncodeToString(mac.Sum(nil)) {
				t.Errorf("nonce %q after %d for %s, or a bad signature", r.Header["X-Nonce"], last[version], version)
			}
			last[version] = nonce
			return sentinel + version
		}
		srv := p.serve(t, g)
		var clock atomic.Int64
		s := newStore("v2", "v1")
		ring := keep(t, s)
		rt := unbound(ring, signing(&clock), transport.WithBase(srv.base(t)))
		post := func() *http.Request { return request(t, http.MethodPost, srv.URL, strings.NewReader("order")) }
		send(t, rt, post()).want(t, http.StatusOK, "v1", 2)
		req := post()
		for range 3 { // the same request again is another attempt
			req.Body, _ = req.GetBody()
			send(t, rt, req).want(t, http.StatusOK, "v1", 1)
		}
		g.accept("v3")
		move(t, ring, s, "v3", "v2")
		send(t, rt, post()).want(t, http.StatusOK, "v3", 1)
		if n := clock.Load(); n != 6 {
			t.Errorf("%d signatures for 6 attempts", n)
		}
	})
}

// Attaching a header key allocates as much as a copy of the request. A request that
// falls back allocates as much as two copies. Reading the version allocates nothing.
func TestAllocations(t *testing.T) {
	ring := keep(t, source.Static(key("v1")))
	base := stub{&http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}}
	rt := unbound(ring, transport.Bearer(), transport.WithBase(base))
	bare := limit{base, []string{"Bearer bench"}}
	allocs := func(rt http.RoundTripper, req *http.Request) float64 {
		return testing.AllocsPerRun(200, func() {
			if _, err := rt.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		})
	}
	for headers, want := range map[int]float64{0: 3, 5: 3, 15: 5} {
		req := benchRequest(headers)
		if got, least := allocs(rt, req), allocs(bare, req); got > least || least > want {
			t.Errorf("%d headers: %v allocations, the bare copy %v, want %v", headers, got, least, want)
		}
	}
	two := keep(t, newStore("v2", "v1"))
	req := benchRequest(5)
	rt = unbound(two, transport.Bearer(), transport.WithBase(newStutter()))
	if got, least := allocs(rt, req), allocs(bare, req); got != 2*least {
		t.Errorf("a fall-back: %v allocations, two bare copies %v", got, 2*least)
	}
	if n := two.Status().Versions[1].Requests; n != 201 { // AllocsPerRun runs it once before
		t.Errorf("%d of 201 requests fell back", n)
	}
	if n := testing.AllocsPerRun(200, func() { _ = ring.Version() }); n != 0 {
		t.Errorf("reading the version: %v allocations", n)
	}
}

// No code compares a secret by == or !=, or by a function that stops at the first
// difference.
//
// F100
func TestSecretsAreNotComparedByText(t *testing.T) {
	exposes := func(n ast.Node) bool {
		found, safe := false, false
		ast.Inspect(n, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "subtle" {
					safe = true
				}
				found = found || sel.Sel.Name == "Expose"
			}
			return true
		})
		return found && !safe
	}
	empty := func(e ast.Expr) bool {
		lit, ok := e.(*ast.BasicLit)
		return ok && lit.Value == `""`
	}
	files := 0
	check := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (exposes(n.X) || exposes(n.Y)) && !empty(n.X) && !empty(n.Y) {
					t.Errorf("%s: compares a secret by its text", set.Position(n.Pos()))
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "bytes" || pkg.Name == "strings") && (sel.Sel.Name == "Equal" || sel.Sel.Name == "EqualFold" || sel.Sel.Name == "Compare") {
					for _, arg := range n.Args {
						if exposes(arg) {
							t.Errorf("%s: compares a secret by its text", set.Position(n.Pos()))
						}
					}
				}
			}
			return true
		})
		return nil
	}
	for _, dir := range []string{".", "../source", "../client"} {
		if err := filepath.WalkDir(dir, check); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
}
