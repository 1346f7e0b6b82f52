package transport_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// world is a set of origins on one server. It answers for any host of its certificate,
// records which host received what, and follows a script of redirects.
type world struct {
	*server
	mu        sync.Mutex
	redirects map[string]redirect // by host and path
	seen      []visit
	dialled   []string
}

type redirect struct {
	status int
	to     string
}

// visit is one request: its URL, and what it carried.
type visit struct {
	at      string
	keyed   bool
	referer string
	method  string
}

func newWorld(t *testing.T, p protocol) *world {
	w := &world{redirects: map[string]redirect{}}
	w.server = p.serve(t, w)
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keyed := strings.Contains(r.RequestURI, sentinel)
	for _, values := range r.Header {
		keyed = keyed || slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, sentinel) })
	}
	if strings.Contains(r.Referer(), sentinel) {
		rw.WriteHeader(http.StatusTeapot)
	}
	at := r.Host + r.URL.Path
	w.seen = append(w.seen, visit{at, keyed, r.Referer(), r.Method})
	if to, ok := w.redirects[at]; ok {
		rw.Header().Set("Location", to.to)
		rw.WriteHeader(to.status)
	}
}

// client is an http.Client that reaches the server for any host.
func (w *world) client(t *testing.T, scheme transport.Scheme, opts ...transport.Option) *http.Client {
	base := w.base(t)
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		w.dialled = append(w.dialled, address)
		w.mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, w.Listener.Addr().String())
	}
	opts = append([]transport.Option{transport.WithBase(base)}, opts...)
	return &http.Client{Transport: unbound(keep(t, newStore("v1")), scheme, opts...)}
}

func (w *world) script(redirects map[string]redirect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.redirects, w.seen, w.dialled = redirects, nil, nil
}

func (w *world) want(t *testing.T, keyed ...bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []bool
	for _, v := range w.seen {
		got = append(got, v.keyed)
	}
	if !slices.Equal(got, keyed) {
		t.Errorf("visits %+v, want the key in %v", w.seen, keyed)
	}
}

var schemes = map[string]transport.Scheme{
	"bearer": transport.Bearer(), "header": transport.Header("X-Api-Key"), "query": transport.Query("api_key"),
}

// A redirect to another host or port is followed without the key, for every scheme. If
// it comes back, it still has no key.
//
// F53, F54, F55, F57
func TestRedirectElsewhereCarriesNoKey(t *testing.T) {
	for name, scheme := range schemes {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				w := newWorld(t, p)
				client := w.client(t, scheme)
				for _, status := range []int{301, 302, 303, 307, 308} {
					for what, c := range map[string]struct {
						redirects map[string]redirect
						keyed     []bool
					}{
						"same origin":      {map[string]redirect{"a.example.com/": {status, "/next"}}, []bool{true, true}},
						"written in full":  {map[string]redirect{"a.example.com/": {status, "HTTPS://A.Example.com.:443/next"}}, []bool{true, true}},
						"other host":       {map[string]redirect{"a.example.com/": {status, "https://b.example.com/"}}, []bool{true, false}},
						"domain above":     {map[string]redirect{"a.example.com/": {status, "https://example.com/"}}, []bool{true, false}},
						"other port":       {map[string]redirect{"a.example.com/": {status, "https://a.example.com:8443/"}}, []bool{true, false}},
						"there and back":   {map[string]redirect{"a.example.com/": {status, "https://b.example.com/"}, "b.example.com/": {status, "https://a.example.com/2"}}, []bool{true, false, false}},
						"and on from back": {map[string]redirect{"a.example.com/": {status, "https://b.example.com/"}, "b.example.com/": {status, "https://a.example.com/2"}, "a.example.com/2": {status, "/3"}}, []bool{true, false, false, false}},
						"userinfo":         {map[string]redirect{"a.example.com/": {status, "https://a.example.com@b.example.com/"}}, []bool{true, false}},
					} {
						w.script(c.redirects)
						req := request(t, http.MethodPost, "https://a.example.com/", strings.NewReader("order"))
						resp, err := client.Do(req)
						if err != nil {
							t.Fatalf("%d %s: %v", status, what, err)
						}
						resp.Body.Close()
						if resp.StatusCode != http.StatusOK { // 418: the key was in a Referer
							t.Errorf("%d %s: status %d", status, what, resp.StatusCode)
						}
						w.want(t, c.keyed...)
						if t.Failed() {
							t.Fatalf("%d, %s", status, what)
						}
					}
				}
			})
		})
	}
}

// A redirect from https to http on the same host goes to another origin, so it has no
// key.
//
// F54, F56
func TestRedirectAcrossSchemes(t *testing.T) {
	for name, scheme := range schemes {
		t.Run(name, func(t *testing.T) {
			keyed := make(chan bool, 1)
			plain := http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				keyed <- r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" || r.URL.RawQuery != ""
			})}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- plain.Serve(ln) }()
			defer func() { plain.Close(); <-served }()

			secure := protocol(1).serve(t, http.RedirectHandler("http://"+ln.Addr().String(), http.StatusTemporaryRedirect))
			client := &http.Client{Transport: unbound(keep(t, newStore("v1")), scheme, transport.WithBase(secure.base(t)))}
			resp, err := client.Get(secure.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if <-keyed {
				t.Error("the key went on over http")
			}
		})
	}
}

// If several origins are named, a redirect between them carries the key, and one that
// leaves them does not.
//
// F55
func TestSeveralOrigins(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		w := newWorld(t, p)
		client := w.client(t, transport.Bearer(), transport.WithOrigin("https://a.example.com", "https://b.example.com/"))
		w.script(map[string]redirect{"a.example.com/": {302, "https://b.example.com/"}, "b.example.com/": {302, "https://c.example.com/"}})
		resp, err := client.Get("https://a.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		w.want(t, true, true, false)
	})
}
