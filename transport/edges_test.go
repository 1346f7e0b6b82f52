package transport_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// quiet keeps a ring that rarely polls.
func quiet(t *testing.T, s source.Source, opts ...ring.Option) *ring.Ring {
	t.Helper()
	r, err := ring.Keep(t.Context(), s, append([]ring.Option{ring.WithLogger(nil), ring.WithPoll(time.Hour)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func status(code int) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
}

// takes is a base that answers 200 to the given versions and 401 to all others.
func takes(versions ...string) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
		for _, v := range versions {
			if r.Header.Get("Authorization") == "Bearer "+sentinel+v {
				return status(http.StatusOK), nil
			}
		}
		return status(http.StatusUnauthorized), nil
	}
}

// spareBody counts the open bodies.
type spareBody struct{ open *atomic.Int64 }

func (b *spareBody) Read([]byte) (int, error) { return 0, io.EOF }

func (b *spareBody) Close() error { b.open.Add(-1); return nil }

// F30: a body may be of a type that cannot be compared.
func TestBodyOfAnyType(t *testing.T) {
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(takes("v1")))
	req, _ := http.NewRequest("POST", "https://a.example/", readerFunc(strings.NewReader("x").Read))
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v", p)
		}
	}()
	rt.RoundTrip(req)
}

// F60: a request that cannot be sent again is not used as a probe.
func TestUploadsDoNotProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(takes("v1")))
		do := func(req *http.Request) int {
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		req, _ := http.NewRequest("GET", "https://a.example/", nil)
		do(req)
		failed := 0
		for range 60 {
			time.Sleep(2 * time.Second)
			pr, _ := http.NewRequest("POST", "https://a.example/", io.MultiReader(strings.NewReader("x")))
			if do(pr) != 200 {
				failed++
			}
			for range 10 {
				if do(req) != 200 {
					t.Error("GET failed")
				}
			}
		}
		if failed > 0 {
			t.Errorf("%d of 60 uploads got 401 although v1, known to work, was at hand", failed)
		}
	})
}

// F97: a base that panics gives the probe back.
func TestPanickingBaseEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var boom, v2ok atomic.Bool
		s := newStore("v2", "v1")
		keys := quiet(t, s, ring.WithLockout())
		rt := unbound(keys, transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if boom.Swap(false) {
				panic("base")
			}
			if v2ok.Load() {
				return takes("v2")(r)
			}
			return takes()(r)
		})))
		req, _ := http.NewRequest("GET", "https://a.example/", nil)
		do := func() (code int) {
			defer func() { recover() }()
			resp, err := rt.RoundTrip(req)
			if err != nil {
				return 0
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		do() // all keys are refused: lockout
		v2ok.Store(true)
		time.Sleep(2 * time.Minute)
		boom.Store(true)
		do()
		for range 24 {
			time.Sleep(time.Hour)
			if do() == 200 {
				return
			}
		}
		t.Errorf("a day later every request still fails locally; in flight %d", keys.Status().Current.InFlight)
	})
}

// F55: an opaque URL may put another host into the request line.
func TestOpaqueURLGetsNoKey(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	defer ln.Close()
	got := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		var all string
		for {
			l, err := br.ReadString('\n')
			all += l
			if err != nil || l == "\r\n" {
				break
			}
		}
		got <- all
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}()
	rt := transport.New(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(&http.Transport{}), transport.WithOrigin("http://"+ln.Addr().String()))
	req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: ln.Addr().String(), Opaque: "//evil.example/path"}}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		t.Errorf("sent with the key:\n%s", <-got)
	}
}

// F57: if a server redirects and repeats the query, the key is removed from the
// Location.
func TestLocationLosesTheKey(t *testing.T) {
	var n atomic.Int64
	var referer atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a": // the usual slash redirect keeps the query
			http.Redirect(w, r, "/b?"+r.URL.RawQuery, http.StatusMovedPermanently)
		case "/b":
			n.Add(1)
			http.Redirect(w, r, "/c", http.StatusFound)
		case "/c":
			referer.Store(r.Header.Get("Referer"))
			w.WriteHeader(200)
		}
	}))
	defer srv.Close()
	rt := unbound(quiet(t, newStore("v1")), transport.Query("key"), transport.WithBase(srv.Client().Transport))
	ctx, seen := transport.Observe(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL+"/a?x=1", nil)
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if strings.Contains(fmt.Sprint(referer.Load()), sentinel) {
		t.Errorf("Referer %q; observed %q", referer.Load(), seen.Version())
	}
	req, _ = http.NewRequest("GET", srv.URL+"/a?x=1", nil)
	resp, err = (&http.Client{Transport: rt, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 1 {
			return errors.New("stop")
		}
		return nil
	}}).Do(req)
	if resp != nil && strings.Contains(fmt.Sprintf("%+v", resp.Request.URL), sentinel) {
		t.Errorf("resp.Request.URL %v", resp.Request.URL)
	}
	if err != nil && strings.Contains(err.Error(), sentinel) {
		t.Errorf("url.Error %v", err)
	}
}

// F30, F38
func TestExpectBodyIsClosedOnce(t *testing.T) {
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(takes("v1")))
	b := &countingBody{Reader: strings.NewReader("x")}
	req, _ := http.NewRequest("POST", "https://a.example/", b)
	req.Header.Set("Expect", "100-continue")
	rt.RoundTrip(req)
	if b.closed.Load() != 1 {
		t.Errorf("closed %d times", b.closed.Load())
	}
}

// An answer that may come from a server that has not checked the key does not make the
// old key safe to revoke.
func TestOnlyASuccessProvesTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []int{403, 400, 404, 302} {
			s := newStore("v2", "v1")
			keys := quiet(t, s)
			rt := unbound(keys, transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
				return status(code), nil
			})))
			time.Sleep(2 * time.Minute)
			req, _ := http.NewRequest("GET", "https://a.example/", nil)
			resp, _ := rt.RoundTrip(req)
			resp.Body.Close()
			st := keys.Status()
			for _, v := range st.Versions {
				if v.Version == "v1" && v.SafeToRevoke {
					t.Errorf("%d: v1 safe to revoke: %s; v2 %s", code, v.Reason, st.Current.State)
				}
			}
		}
	})
}

// F93
func TestSignersPrintNoSecret(t *testing.T) {
	for _, s := range []transport.Scheme{transport.Bearer(), transport.Header("X-Key"), transport.Query("k"), transport.Basic()} {
		sg, _ := s.Prepare(key("v1"))
		if text := fmt.Sprintf("%v %+v %#v", sg, sg, sg); strings.Contains(text, sentinel) || strings.Contains(text, "Basic ") {
			t.Errorf("%s", text)
		}
	}
}

// F57, F95: the key is redacted in whatever form the base quotes the request.
func TestErrorsOfTheBaseAreRedacted(t *testing.T) {
	for _, s := range []transport.Scheme{transport.Basic(), transport.Bearer()} {
		k := source.Key{Version: "v", ID: "u", Secret: source.NewSecret(`sentinel-1"inel\x`)}
		rt := unbound(quiet(t, source.Static(k)), s, transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot write header %q", r.Header)
		})))
		req, _ := http.NewRequest("GET", "https://a.example/", nil)
		_, err := rt.RoundTrip(req)
		if strings.Contains(err.Error(), "inel") || strings.Contains(err.Error(), "dTpz") {
			t.Errorf("%v", err)
		}
	}
}

// A request that needs no key is sent whatever the state of the keys.
func TestUnkeyedRequestUnderLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := quiet(t, newStore("v1"), ring.WithLockout(), ring.WithRefusalWait(0))
		rt := unbound(keys, private(), transport.WithBase(takes()))
		req, _ := http.NewRequest("GET", "https://a.example/private", nil)
		rt.RoundTrip(req)
		pub, _ := http.NewRequest("GET", "https://a.example/public", nil)
		if _, err := rt.RoundTrip(pub); err != nil {
			t.Errorf("a request that needs no key: %v", err)
		}
	})
}

// F55: a request that fails because of its Host does not bind the key to the origin of
// its URL.
func TestRefusedRequestDoesNotBind(t *testing.T) {
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(takes("v1")))
	req, _ := http.NewRequest("GET", "https://typo.example/", nil)
	req.Host = "other.example"
	_, err1 := rt.RoundTrip(req)
	req, _ = http.NewRequest("GET", "https://api.example/", nil)
	_, err2 := rt.RoundTrip(req)
	if err1 != nil && err2 != nil {
		t.Errorf("%v; then %v", err1, err2)
	}
}

// F30: the body of an attempt that is not made is closed.
func TestSpareBodyIsClosed(t *testing.T) {
	// ctx ends while the refusal is read. The body from GetBody must be closed.
	var open atomic.Int64
	rt := unbound(quiet(t, newStore("v2", "v1"), ring.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(takes()))
	req, _ := http.NewRequest("POST", "https://a.example/", &countingBody{Reader: strings.NewReader("x")})
	req.GetBody = func() (io.ReadCloser, error) { open.Add(1); return &spareBody{&open}, nil }
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	if open.Load() != 0 {
		t.Errorf("%d bodies open", open.Load())
	}
}

// F93, F109: Err returns the error about the arguments of New.
func TestErr(t *testing.T) {
	if err := unbound(nil, transport.Bearer()).Err(); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("no ring: %v", err)
	}
	keys := quiet(t, newStore("v1"))
	if err := transport.New(keys, transport.Bearer(), transport.WithOrigin("no origin")).Err(); !errors.Is(err, transport.ErrOrigin) {
		t.Errorf("no origin: %v", err)
	}
	if err := unbound(keys, transport.Bearer()).Err(); err != nil {
		t.Error(err)
	}
}
