package transport_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// world is a set of origins, all on one server: it answers for any host that
// the certificate covers, writes down who was sent what, and follows a script
// of redirects.
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

// visit is one request: where, and what it carried.
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

// client is an http.Client that reaches the server whatever the host.
func (w *world) client(t *testing.T, scheme transport.Scheme, opts ...transport.Option) *http.Client {
	base := w.base(t)
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		w.dialled = append(w.dialled, address)
		w.mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, w.Listener.Addr().String())
	}
	opts = append([]transport.Option{transport.WithBase(base)}, opts...)
	return &http.Client{Transport: transport.New(keep(t, newStore("v1")), scheme, opts...)}
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

// A redirect leads to another host or port: it is followed, without the key,
// whichever way the key is presented, and stays without it when it comes back.
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

// From https to http on the same host: another origin, so without the key.
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
			client := &http.Client{Transport: transport.New(keep(t, newStore("v1")), scheme, transport.WithBase(secure.base(t)))}
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

// Only requests to the origin that the key is bound to carry it: the first one's,
// or those that are named.
//
// F55
func TestOriginsAreComparedExactly(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		w := newWorld(t, p)
		for _, c := range []struct {
			url, host string
			want      error
		}{
			{"https://a.example.com/", "", nil},
			{"HTTPS://A.EXAMPLE.COM/", "", nil},
			{"https://a.example.com:443/", "", nil},
			{"https://a.example.com./", "", nil},
			{"https://a.example.com:/", "", nil},
			{"https://a.example.com/", "A.example.com:443", nil},
			{"https://a.example.com:8443/", "", transport.ErrOrigin},
			{"https://example.com/", "", transport.ErrOrigin},
			{"https://evila.example.com/", "", transport.ErrOrigin},
			{"https://a.example.com.b.example.com/", "", transport.ErrOrigin},
			{"https://a.example.com@b.example.com/", "", transport.ErrOrigin},
			{"https://b.example.com/", "a.example.com", transport.ErrOrigin},
			{"https://a.example.com/", "b.example.com", transport.ErrOrigin},
			{"https://[fe80::1%25a.example.com]/", "", transport.ErrOrigin},
			{"http://a.example.com/", "", transport.ErrInsecure},
			{"ftp://a.example.com/", "", transport.ErrOrigin},
		} {
			w.script(nil)
			client := w.client(t, transport.Bearer(), transport.WithOrigin("https://a.example.com"))
			req := get(t, c.url)
			req.Host = c.host
			resp, err := client.Do(req)
			if !errors.Is(err, c.want) {
				t.Errorf("%s, Host %q: error %v, want %v", c.url, c.host, err, c.want)
			}
			if err == nil {
				resp.Body.Close()
				w.want(t, true)
				continue
			}
			if w.want(t); len(w.dialled) != 0 {
				t.Errorf("%s: dialled %q", c.url, w.dialled)
			}
		}
	})
}

// Without WithOrigin the first request decides, be they many at once.
//
// F55
func TestFirstRequestBindsTheKey(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		w := newWorld(t, p)
		client := w.client(t, transport.Bearer())
		var wg sync.WaitGroup
		var mu sync.Mutex
		good := map[string]bool{}
		for _, host := range slices.Repeat([]string{"a", "b", "c"}, 10) {
			wg.Go(func() {
				resp, err := client.Get("https://" + host + ".example.com/")
				if err != nil {
					if !errors.Is(err, transport.ErrOrigin) {
						t.Error(err)
					}
					return
				}
				resp.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				good[host] = true
			})
		}
		wg.Wait()
		if len(good) != 1 {
			t.Errorf("the key went to %v", good)
		}
	})
}

// Several origins may be named: a redirect between them carries the key, one
// that leaves them does not.
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

// Over plain http a key goes to loopback only, unless opted in: elsewhere the
// dialer is never called.
//
// F56
func TestNoKeyOverPlainHTTP(t *testing.T) {
	var dialled []string
	base := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errBase
	}}
	ring := keep(t, newStore("v1"))
	for _, c := range []struct {
		url      string
		insecure bool
		want     error
	}{
		{"http://api.example.com/", false, transport.ErrInsecure},
		{"http://192.0.2.1/", false, transport.ErrInsecure},
		{"http://[2001:db8::1]/", false, transport.ErrInsecure},
		{"http://localhost.example.com/", false, transport.ErrInsecure},
		{"http://127.0.0.1.example.com/", false, transport.ErrInsecure},
		{"http://0.0.0.0/", false, transport.ErrInsecure},
		{"http://api.example.com/", true, errBase},
		{"http://127.0.0.1/", false, errBase},
		{"http://127.8.9.10:8080/", false, errBase},
		{"http://[::1]/", false, errBase},
		{"http://[::ffff:127.0.0.1]/", false, errBase},
		{"http://localhost/", false, errBase},
		{"http://LOCALHOST./", false, errBase},
	} {
		dialled = nil
		opts := []transport.Option{transport.WithBase(base)}
		if c.insecure {
			opts = append(opts, transport.WithInsecureHTTP())
		}
		_, err := transport.New(ring, transport.Bearer(), opts...).RoundTrip(get(t, c.url))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.url, err, c.want)
		}
		if dials := c.want == errBase; (len(dialled) > 0) != dials {
			t.Errorf("%s: dialled %q", c.url, dialled)
		}
	}
	// Named as an origin it is refused at once, whatever the request.
	rt := transport.New(ring, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("http://api.example.com"))
	if _, err := rt.RoundTrip(get(t, "https://api.example.com")); !errors.Is(err, transport.ErrInsecure) {
		t.Errorf("error %v", err)
	}
}

// A refused dial names the URL; the key in its query is not in the error.
//
// F57
func TestErrorsDoNotQuoteTheKey(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	base := &http.Transport{Proxy: func(req *http.Request) (*url.URL, error) {
		return nil, &url.Error{Op: "proxy for", URL: req.URL.String(), Err: errBase}
	}}
	for _, b := range []http.RoundTripper{&http.Transport{}, base} {
		client := &http.Client{Transport: transport.New(keep(t, newStore("v1"), source.WithOverlap(0)), transport.Query("key"), transport.WithBase(b))}
		_, err := client.Get("http://" + address + "/?a=b")
		var said *url.Error
		if !errors.As(err, &said) || strings.Contains(err.Error(), sentinel) || strings.Contains(said.URL, sentinel) {
			t.Errorf("error %v", err)
		}
	}
}
