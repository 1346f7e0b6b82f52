package remote_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// F56, F103, F109
func TestNewRefuses(t *testing.T) {
	cc := remote.ClientCredentials{TokenURL: "https://id.example.com/token", AuthStyle: oauth2.AuthStyleInHeader, Client: static(sentinel)}
	with := func(change func(*remote.ClientCredentials)) remote.Option {
		changed := cc
		change(&changed)
		return remote.WithClientCredentials(changed)
	}
	const good = "https://keys.example.com/v1"
	for name, tc := range map[string]struct {
		url  string
		opts []remote.Option
	}{
		"empty":                  {url: ""},
		"no host":                {url: "https:///keys"},
		"opaque":                 {url: "https:" + sentinel},
		"malformed":              {url: "https://host/%zz?" + sentinel},
		"another scheme":         {url: "ftp://keys.example.com/v1"},
		"plain http":             {url: "http://keys.example.com/v1"},
		"a suffix trick":         {url: "http://127.0.0.1.example.com/v1"},
		"a loopback in name":     {url: "http://localhost.example.com/v1"},
		"user info":              {url: "https://user:" + sentinel + "@keys.example.com/v1"},
		"fragment":               {url: good + "#" + sentinel},
		"header name":            {good, []remote.Option{remote.WithHeader("X Token", static(sentinel))}},
		"no header name":         {good, []remote.Option{remote.WithHeader("", static(sentinel))}},
		"no source":              {good, []remote.Option{remote.WithBearer(nil)}},
		"two credentials":        {good, []remote.Option{remote.WithBearer(static(sentinel)), remote.WithHeader("X-Token", static(sentinel))}},
		"token with a fragment":  {good, []remote.Option{with(func(c *remote.ClientCredentials) { c.TokenURL += "#" + sentinel })}},
		"token over http":        {good, []remote.Option{with(func(c *remote.ClientCredentials) { c.TokenURL = "http://id.example.com/token" })}},
		"token without style":    {good, []remote.Option{with(func(c *remote.ClientCredentials) { c.AuthStyle = oauth2.AuthStyleAutoDetect })}},
		"token without a client": {good, []remote.Option{with(func(c *remote.ClientCredentials) { c.Client = nil })}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := remote.New(tc.url, tc.opts...)
			checkError(t, err, source.ErrInvalid)
		})
	}
	for _, url := range []string{good, "http://127.0.0.1:1/", "http://127.9.9.9/", "http://[::1]:1/", "http://LOCALHOST/"} {
		if _, err := remote.New(url, nil, remote.WithTLS(nil), remote.WithClientCredentials(cc)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// F85: a TLS error is not retried, and the error says what is wrong.
func TestATLSFailureIsNotRetried(t *testing.T) {
	var conns atomic.Int64
	count := func(srv *httptest.Server) *httptest.Server {
		srv.Config.ErrorLog = quiet
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				conns.Add(1)
			}
		}
		t.Cleanup(srv.Close)
		return srv
	}
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request got through") })
	secure := count(httptest.NewUnstartedServer(h))
	secure.StartTLS()
	plain := count(httptest.NewUnstartedServer(h))
	plain.Start()
	mutual := count(httptest.NewUnstartedServer(h))
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	mutual.StartTLS()
	trusted := secure.Client().Transport.(*http.Transport).TLSClientConfig
	elsewhere := trusted.Clone()
	elsewhere.ServerName = "elsewhere.test"

	for name, tc := range map[string]struct {
		url  string
		tls  *tls.Config
		want string
	}{
		"wrong CA":              {secure.URL, nil, "unknown authority"},
		"wrong host":            {secure.URL, elsewhere, "another host"},
		"plain HTTP":            {strings.Replace(plain.URL, "http:", "https:", 1), nil, "plain HTTP"},
		"no client certificate": {mutual.URL, trusted, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			conns.Store(0)
			err := fails(t, openURL(t, tc.url, remote.WithTLS(tc.tls)), source.ErrUnavailable)
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
			if conns.Load() != 1 {
				t.Errorf("%d connections, want 1", conns.Load())
			}
		})
	}
}

// F89: neither the requests to the endpoint nor those to the token endpoint use
// http.DefaultTransport or http.DefaultClient, where this SDK may be installed.
func TestTheDefaultTransportIsNotUsed(t *testing.T) {
	transport, client := http.DefaultTransport, http.DefaultClient
	defer func() { http.DefaultTransport, http.DefaultClient = transport, client }()
	trap := roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("the default transport was used")
		return nil, http.ErrServerClosed
	})
	http.DefaultTransport, http.DefaultClient = trap, &http.Client{Transport: trap}
	i := newIssuer(t)
	current(t, i.open(t, "/basic", oauth2.AuthStyleInHeader, sentinel))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// F104: the connections of a source are closed when it is garbage-collected.
func TestADroppedSourceLeavesNoConnection(t *testing.T) {
	closed := make(chan struct{}, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, document("v1")) }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	func() {
		src, err := remote.New(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		current(t, src)
	}()
	eventually(t, func() bool {
		runtime.GC()
		return len(closed) == 1
	})
}
