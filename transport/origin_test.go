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

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Only requests to the origins that the key is bound to carry it.
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

// Without an origin nothing is sent: the error says what to write. A request to another
// origin than the key's fails too: the error names those that are the key's.
//
// F131
func TestNothingIsSentWithoutAnOrigin(t *testing.T) {
	keys, sent := quiet(t, newStore("v1")), 0
	base := transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return status(http.StatusOK), nil
	}))
	for name, c := range map[string]struct {
		opts []transport.Option
		want []string // in the error
	}{
		"none":            {nil, []string{`WithOrigin("https://api.example.com")`, "WithOriginOfFirstRequest"}},
		"an empty list":   {[]transport.Option{transport.WithOrigin()}, []string{`WithOrigin("https://api.example.com")`, "WithOriginOfFirstRequest"}},
		"the last is":     {[]transport.Option{transport.WithOriginOfFirstRequest(), transport.WithOrigin()}, []string{"no origin was named"}},
		"other ones":      {[]transport.Option{transport.WithOrigin("https://a.example", "https://B.example:444")}, []string{"https://api.example.com:8443", "https://a.example, https://b.example:444", "WithOrigin"}},
		"not the first's": {[]transport.Option{transport.WithOriginOfFirstRequest()}, []string{"https://api.example.com:8443", "https://first.example", "WithOrigin"}},
	} {
		rt := transport.New(keys, transport.Bearer(), append(c.opts, base)...)
		if name == "not the first's" {
			send(t, rt, get(t, "https://first.example"))
		}
		before := sent
		_, err := rt.RoundTrip(get(t, "https://api.example.com:8443/things"))
		if !errors.Is(err, transport.ErrOrigin) || sent != before {
			t.Errorf("%s: error %v, %d requests were sent", name, err, sent-before)
			continue
		}
		if _, err := rt.Sign(get(t, "https://api.example.com:8443/things")); !errors.Is(err, transport.ErrOrigin) {
			t.Errorf("%s: Sign: error %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error %q does not have %q", name, err, want)
			}
		}
	}
}

// A first request that names two hosts binds the key to neither. The error says why.
//
// F131
func TestFirstRequestWithTwoHosts(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), transport.Bearer(), transport.WithOriginOfFirstRequest())
	req := get(t, "https://a.example/")
	req.Host = "b.example"
	const want = "the URL of the request names https://a.example, but its Host field another host"
	if _, err := rt.RoundTrip(req); !errors.Is(err, transport.ErrOrigin) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}

// An origin to which no request can go is refused, not accepted and never matched.
//
// F139
func TestUselessOriginsAreRefused(t *testing.T) {
	for origin, want := range map[string]string{
		"https://*.example.com":            "no wildcard",
		"https://*":                        "no wildcard",
		"https://.example.com":             "no host",
		"https://api..example.com":         "no host",
		"https://a.example,b.example":      "no host",
		"https://$HOST":                    "no host",
		"https://api.example.com:0":        "port",
		"https://api.example.com:4430":     "",
		"https://api.example.com:44300000": "port",
		"https://api.example.com/v1":       "more than a scheme, a host and a port",
		"https:api.example.com":            "no scheme or no host",
		"api.example.com":                  "https://api.example.com",
		"api.example.com:443":              "https",
		"":                                 "https://api.example.com",
		"https://under_score.internal":     "",
		"https://[::1]:8443":               "",
		"wss://api.example.com":            "",
	} {
		err := transport.New(quiet(t, newStore("v1")), transport.Bearer(), transport.WithOrigin(origin)).Err()
		if want == "" && err != nil || want != "" && (!errors.Is(err, transport.ErrOrigin) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", origin, err, want)
		}
	}
}

// With WithOriginOfFirstRequest the first request binds the key, even if many are sent
// at once.
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

// Over plain http a key is sent only to loopback, unless the caller allows more. For
// other hosts the dialer is never called.
//
// F56
func TestNoKeyOverPlainHTTP(t *testing.T) {
	var dialled []string
	base := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errBase
	}}
	keys := keep(t, newStore("v1"))
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
		_, err := unbound(keys, transport.Bearer(), opts...).RoundTrip(get(t, c.url))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.url, err, c.want)
		}
		if dials := c.want == errBase; (len(dialled) > 0) != dials {
			t.Errorf("%s: dialled %q", c.url, dialled)
		}
	}
	// If it is named as an origin, every request fails.
	rt := transport.New(keys, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("http://api.example.com"))
	if _, err := rt.RoundTrip(get(t, "https://api.example.com")); !errors.Is(err, transport.ErrInsecure) {
		t.Errorf("error %v", err)
	}
}

// The URL's scheme is part of the origin, even if host and port are the same and plain
// http is allowed. A redirect to the other scheme has no key, and a request fails.
//
// F54
func TestSchemeIsPartOfTheOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		opts []transport.Option
	}{
		"insecure": {"api.example.com:8443", []transport.Option{transport.WithInsecureHTTP()}},
		"loopback": {"127.0.0.1:8443", nil},
	} {
		for from, to := range map[string]string{"https://": "http://", "http://": "https://"} {
			for bound, opts := range map[string][]transport.Option{"first request": nil, "named": {transport.WithOrigin(from + c.host)}} {
				t.Run(name+" "+from+" "+bound, func(t *testing.T) {
					var keyed []bool
					base := roundTripper(func(r *http.Request) (*http.Response, error) {
						keyed = append(keyed, r.Header.Get("Authorization") != "")
						if r.URL.Path == "/away" {
							resp := status(http.StatusTemporaryRedirect)
							resp.Header.Set("Location", to+c.host)
							return resp, nil
						}
						return status(http.StatusOK), nil
					})
					rt := unbound(keep(t, newStore("v1")), transport.Bearer(),
						slices.Concat(c.opts, opts, []transport.Option{transport.WithBase(base)})...)
					send(t, rt, get(t, from+c.host+"/away"))
					if !slices.Equal(keyed, []bool{true, false}) {
						t.Errorf("redirected: the key in %v", keyed)
					}
					if _, err := rt.RoundTrip(get(t, to+c.host)); !errors.Is(err, transport.ErrOrigin) || len(keyed) != 2 {
						t.Errorf("directly: error %v, the key in %v", err, keyed)
					}
				})
			}
		}
	}
}

// The error of a failed dial contains the URL, but not the key in its query.
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
		client := &http.Client{Transport: unbound(keep(t, newStore("v1"), ring.WithOverlap(0)), transport.Query("key"), transport.WithBase(b))}
		_, err := client.Get("http://" + address + "/?a=b")
		var said *url.Error
		if !errors.As(err, &said) || strings.Contains(err.Error(), sentinel) || strings.Contains(said.URL, sentinel) {
			t.Errorf("error %v", err)
		}
	}
}
