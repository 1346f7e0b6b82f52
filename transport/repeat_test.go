package transport_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// odd is a secret that each level of escaping changes.
const odd = sentinel + "a+b/c=%25 d"

// bare decodes what is percent-encoded in text, until nothing is left.
func bare(text string) string {
	for {
		plain, err := url.QueryUnescape(text)
		if err != nil || plain == text {
			return text
		}
		text = plain
	}
}

// escaped escapes text n times.
func escaped(n int, text string) string {
	for range n {
		text = url.QueryEscape(text)
	}
	return text
}

// elsewhere is a server of another origin. It records what it receives.
type elsewhere struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newElsewhere(t *testing.T) *elsewhere {
	e := &elsewhere{}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.seen = append(e.seen, r.RequestURI+" "+r.Referer())
	}))
	t.Cleanup(e.Close)
	return e
}

// visited returns what the last request brought.
func (e *elsewhere) visited(t *testing.T) string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) == 0 {
		t.Fatal("no request came")
	}
	return e.seen[len(e.seen)-1]
}

// redirecting is an API that redirects each request to the URL that to makes of the
// request's own, and a base that trusts both servers.
func redirecting(t *testing.T, other *elsewhere, to func(r *http.Request) string) (api *httptest.Server, base *http.Transport) {
	api = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to(r))
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(api.Close)
	base = api.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	t.Cleanup(base.CloseIdleConnections)
	return api, base
}

// A redirect elsewhere carries the request's URL in its own: as a parameter, in the
// path, in the fragment, escaped once or more. The other origin does not get the key,
// neither below the transport nor below a middleware.
//
// F173
func TestRedirectThatReturnsTo(t *testing.T) {
	other := newElsewhere(t)
	repeated := func(r *http.Request) string { return "https://" + r.Host + r.RequestURI }
	for name, to := range map[string]func(*http.Request) string{
		"once":         func(r *http.Request) string { return other.URL + "/?return_to=" + escaped(1, repeated(r)) },
		"twice":        func(r *http.Request) string { return other.URL + "/?return_to=" + escaped(2, repeated(r)) },
		"five times":   func(r *http.Request) string { return other.URL + "/?return_to=" + escaped(5, repeated(r)) },
		"in the path":  func(r *http.Request) string { return other.URL + "/login/" + url.PathEscape(repeated(r)) },
		"raw":          func(r *http.Request) string { return other.URL + "/login/" + r.URL.RawQuery },
		"lower case":   func(r *http.Request) string { return other.URL + "/?to=" + strings.ToLower(escaped(2, repeated(r))) },
		"in fragments": func(r *http.Request) string { return other.URL + "/#" + escaped(1, repeated(r)) },
		"a parameter":  func(r *http.Request) string { return other.URL + "/?" + r.URL.RawQuery },
	} {
		t.Run(name, func(t *testing.T) {
			api, base := redirecting(t, other, to)
			keys := keep(t, source.Static(source.Key{Version: "v1", Secret: source.NewSecret(odd)}))
			rt := transport.New(keys, transport.Query("api_key"), transport.WithOrigin(api.URL), transport.WithBase(base))
			a := send(t, rt, get(t, api.URL+"/items?page=2"))
			if got := bare(other.visited(t) + a.Request.URL.String()); strings.Contains(strings.ToLower(got), bare(odd)) {
				t.Errorf("the key went elsewhere")
			}
			resp, err := rt.Middleware(get(t, api.URL+"/items?page=2"), doer(&http.Client{Transport: base, CheckRedirect: rt.CheckRedirect}))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := bare(other.visited(t)); strings.Contains(strings.ToLower(got), bare(odd)) {
				t.Errorf("the key went elsewhere, below a middleware")
			}
			// Without CheckRedirect the key has left. The middleware says so.
			if name == "in fragments" {
				return // they are not sent
			}
			resp, err = rt.Middleware(get(t, api.URL+"/items?page=2"), doer(&http.Client{Transport: base}))
			if err == nil {
				resp.Body.Close()
				t.Error("the key went elsewhere, and no error says so")
			}
		})
	}
}

// An SDK's client has followed a redirect and carried the key in the URL within the URL,
// but sent no Referer, as from https to http. An error says so.
//
// F173
func TestMiddlewareReportsARepeatedKey(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), transport.Query("api_key"), transport.WithOrigin("https://api.example.com"))
	resp, err := rt.Middleware(get(t, "https://api.example.com"), func(out *http.Request) (*http.Response, error) {
		hop := get(t, "http://other.example/?return_to="+escaped(2, out.URL.String()))
		hop.Response = &http.Response{Request: out}
		resp := status(http.StatusOK)
		resp.Request = hop
		return resp, nil
	})
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, transport.ErrOrigin) || strings.Contains(bare(err.Error()), sentinel) {
		t.Errorf("error %v", err)
	}
}

// An answer that repeats the URL in a header does not show the key. The URL of the next
// page has no key any more, so it can be requested.
//
// F173
func TestHeadersThatRepeatTheURL(t *testing.T) {
	for name, c := range map[string]struct{ header, format, want string }{
		"link":                {"Link", `</items?page=2&%s>; rel="next", <https://docs.example/?%[1]s>; rel="help"`, `</items?page=2>; rel="next", <https://docs.example/?api_key=[redacted]>; rel="help"`},
		"fragment":            {"Link", `<?%s#top>; rel=next`, `<#top>; rel=next`},
		"content location":    {"Content-Location", "/items?%s&page=1", "/items?page=1"},
		"refresh":             {"Refresh", `5; url="/items?%s&page=1"`, `5; url="/items?page=1"`},
		"bare refresh":        {"Refresh", `5, /items?page=1&%s`, `5, /items?page=1`},
		"another API":         {"Content-Location", "https://docs.example/?api_key=theirs", "https://docs.example/?api_key=theirs"},
		"no parameter":        {"Link", `</items/%s/2>; rel="next"`, `</items/api_key=[redacted]/2>; rel="next"`},
		"a cookie":            {"Set-Cookie", "return_to=%s", "return_to=api_key=[redacted]"},
		"a header of its own": {"X-Next-Page", "/items?%s", "/items?api_key=[redacted]"},
		"nothing":             {"Etag", `"4711"`, `"4711"`},
	} {
		t.Run(name, func(t *testing.T) {
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				resp := status(http.StatusOK)
				value := c.format
				if strings.Contains(value, "%") {
					value = fmt.Sprintf(value, r.URL.RawQuery)
				}
				resp.Header = http.Header{c.header: {value}}
				return resp, nil
			})
			keys := quiet(t, source.Static(source.Key{Version: "v1", Secret: source.NewSecret(odd)}))
			rt := transport.New(keys, transport.Query("api_key"), transport.WithOrigin("https://api.example.com"), transport.WithBase(base))
			a := send(t, rt, get(t, "https://api.example.com/items"))
			if got := a.Header.Get(c.header); got != c.want {
				t.Errorf("%s, want %s", strings.ReplaceAll(got, sentinel, "SENTINEL"), c.want)
			}
			signed, err := rt.Sign(get(t, "https://api.example.com/items"))
			if err != nil {
				t.Fatal(err)
			}
			resp := status(http.StatusOK)
			resp.Header.Set(c.header, strings.ReplaceAll(c.format, "%s", "api_key="+url.QueryEscape(odd)))
			signed.Done(resp, nil)
			if got := resp.Header.Get(c.header); strings.Contains(bare(got), bare(odd)) {
				t.Error("the answer to a signed request shows the key")
			}
		})
	}
}

// A scheme of somebody's own puts the key into the path, and has no traits. The answer
// does not show it.
//
// F173
func TestHeadersThatRepeatThePath(t *testing.T) {
	inPath := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(r *http.Request) error {
			r.URL = r.URL.JoinPath(url.PathEscape(k.Secret.Expose()))
			return nil
		}), nil
	})
	rt := unbound(quiet(t, newStore("v1")), inPath, transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		resp := status(http.StatusOK)
		resp.Header.Set("Location", r.URL.String()+"/next")
		return resp, nil
	})))
	if got := send(t, rt, get(t, "https://api.example.com/items")).Header.Get("Location"); got != "https://api.example.com/items/[redacted]/next" {
		t.Error(strings.ReplaceAll(got, sentinel, "SENTINEL"))
	}
}

// The body of an answer has the URL of the next page, with the key. When the caller asks
// for it, another key is current: that goes out, in place of the one in the URL. It is
// nobody's own, and no error.
//
// F173
func TestNextPageAfterARotation(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"alone": nil, "pass through": {transport.WithPassThrough()}, "override": {transport.WithOverride()},
	} {
		for _, next := range []string{"?page=2&api_key=" + sentinel + "v1", "?api_key=[redacted]&page=2", "?page=2&api_key=%5Bredacted%5D"} {
			t.Run(name, func(t *testing.T) {
				var got url.Values
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					got = r.URL.Query()
					return status(http.StatusOK), nil
				})
				keys := quiet(t, newStore("v2", "v1"))
				rt := unbound(keys, transport.Query("api_key"), append(opts, transport.WithBase(base))...)
				send(t, rt, get(t, "https://api.example.com/items"+next)).want(t, http.StatusOK, "v2", 1)
				if want := (url.Values{"page": {"2"}, "api_key": {sentinel + "v2"}}); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the page has %d parameters", len(got))
				}
				if n := keys.Status().Callers.Requests; n != 0 {
					t.Errorf("%d requests with keys of callers", n)
				}
			})
		}
	}
}

// The URL of a page has a key of the ring in it, and redirects elsewhere. net/http makes
// the Referer from that URL.
//
// F173
func TestRefererOfAPageWithAKey(t *testing.T) {
	other := newElsewhere(t)
	api, base := redirecting(t, other, func(*http.Request) string { return other.URL })
	rt := transport.New(keep(t, newStore("v2", "v1")), transport.Query("api_key"), transport.WithOrigin(api.URL), transport.WithBase(base))
	send(t, rt, get(t, api.URL+"/?page=2&api_key="+sentinel+"v1"))
	if strings.Contains(other.visited(t), sentinel) {
		t.Error("the key went elsewhere in the Referer")
	}
}
