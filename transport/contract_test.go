package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// The transport does not change the caller's request: the caller may send it again, and
// read it while it is under way, even if a key is refused and another one tried.
//
// F28
func TestRequestStaysAsItIs(t *testing.T) {
	for name, scheme := range map[string]transport.Scheme{
		"header": transport.Bearer(), "query": transport.Query("key"), "basic": transport.Basic(),
		"body": transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error {
				transport.SetBody(req, []byte("signed body"))
				req.Header.Set("X-Signed", "yes")
				return nil
			}), nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				var attempts atomic.Int64
				srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if attempts.Add(1)%2 == 1 { // the first of each request
						w.WriteHeader(http.StatusUnauthorized)
					}
				}))
				s := newStore("v2", "v1")
				keys := keep(t, s)
				rt := unbound(keys, scheme, transport.WithBase(srv.base(t)))
				req := request(t, http.MethodPost, srv.URL+"/a?b=c", strings.NewReader("body"))
				req.Header.Set("X-Mine", "1")
				before, header, u := *req, req.Header.Clone(), *req.URL

				stop := make(chan struct{})
				var reader sync.WaitGroup
				reader.Go(func() { // -race finds a write to what the caller reads
					for {
						select {
						case <-stop:
							return
						default:
							_ = fmt.Sprint(req.Header, req.URL, req.ContentLength, req.Host)
						}
					}
				})
				for i := range 3 {
					req.Body, _ = req.GetBody()
					before.Body = req.Body
					resp, err := rt.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.Request != req {
						t.Error("resp.Request is not the caller's request")
					}
					if resp.StatusCode != http.StatusOK {
						t.Errorf("status %d", resp.StatusCode)
					}
					move(t, keys, s, fmt.Sprintf("v%d", 2*i+4), fmt.Sprintf("v%d", 2*i+3))
				}
				close(stop)
				reader.Wait()
				if n := attempts.Load(); n != 6 {
					t.Errorf("%d attempts for 3 requests, want 2 each", n)
				}
				if !maps.EqualFunc(req.Header, header, slices.Equal) || *req.URL != u {
					t.Errorf("header or URL changed: %v %v", req.Header, req.URL)
				}
				for f := range reflect.TypeFor[http.Request]().Fields() {
					a, b := reflect.ValueOf(*req).FieldByIndex(f.Index), reflect.ValueOf(before).FieldByIndex(f.Index)
					if f.IsExported() && f.Type.Kind() != reflect.Func && !reflect.DeepEqual(a.Interface(), b.Interface()) {
						t.Errorf("%s changed", f.Name)
					}
				}
			})
		})
	}
}

var errBase = errors.New("the base failed")

// Whatever fails before or instead of an answer: the request's body is closed, and the
// error says what failed. There is no response.
//
// F30, F31, F106, F109
func TestErrorsCloseTheBody(t *testing.T) {
	open := keep(t, newStore("v1"))
	closed := keep(t, newStore("v1"))
	closed.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	noSign := transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(*http.Request) error { return transport.ErrBody }), nil
	})
	noSigner := transport.SchemeFunc(func(source.Key) (transport.Signer, error) { return nil, nil })
	signed := transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(req *http.Request) error { _, err := transport.Body(req); return err }), nil
	})
	revoked := keep(t, newStore("v1"))
	if err := revoked.Revoke("v1"); err != nil {
		t.Fatal(err)
	}
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		return nil, errors.Join(errBase, req.Context().Err())
	})
	answer := &countingBody{}
	both := roundTripper(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		return &http.Response{StatusCode: http.StatusOK, Body: answer}, errBase
	})
	neither := roundTripper(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		return nil, nil
	})
	const good = "https://api.example.com/"
	for name, c := range map[string]struct {
		rt   http.RoundTripper
		url  string
		ctx  context.Context
		want error // nil: any error
	}{
		"closed ring":         {rt: unbound(closed, transport.Bearer(), transport.WithBase(base)), want: ring.ErrClosed},
		"no key":              {rt: unbound(revoked, transport.Bearer(), transport.WithBase(base)), want: source.ErrNoKey},
		"no ring":             {rt: unbound(nil, transport.Bearer(), transport.WithBase(base)), want: source.ErrNoKey},
		"no scheme":           {rt: unbound(open, nil, transport.WithBase(base)), want: source.ErrNoKey},
		"nil transport":       {rt: (*transport.Transport)(nil), want: source.ErrNoKey},
		"zero transport":      {rt: &transport.Transport{}, want: source.ErrNoKey},
		"foreign origin":      {rt: transport.New(open, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("https://other.example.com")), want: transport.ErrOrigin},
		"no such origin":      {rt: transport.New(open, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("api.example.com")), want: transport.ErrOrigin},
		"origin with a path":  {rt: transport.New(open, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("https://api.example.com/v1")), want: transport.ErrOrigin},
		"insecure":            {rt: unbound(open, transport.Bearer(), transport.WithBase(base)), url: "http://api.example.com/", want: transport.ErrInsecure},
		"no scheme in URL":    {rt: unbound(open, transport.Bearer(), transport.WithBase(base)), url: "//api.example.com/", want: transport.ErrOrigin},
		"no host":             {rt: unbound(open, transport.Bearer(), transport.WithBase(base)), url: "https:///", want: transport.ErrOrigin},
		"ctx done":            {rt: unbound(open, transport.Bearer(), transport.WithBase(base)), ctx: ended, want: context.Canceled},
		"base error":          {rt: unbound(open, transport.Bearer(), transport.WithBase(base)), want: errBase},
		"base returns both":   {rt: unbound(open, transport.Bearer(), transport.WithBase(both)), want: errBase},
		"base returns none":   {rt: unbound(open, transport.Bearer(), transport.WithBase(neither))},
		"sign error":          {rt: unbound(open, noSign, transport.WithBase(base)), want: transport.ErrBody},
		"body not to be had":  {rt: unbound(open, signed, transport.WithBase(base)), want: transport.ErrBody},
		"no signer":           {rt: unbound(keep(t, newStore("v1")), noSigner, transport.WithBase(base)), want: source.ErrUnusable},
		"no route":            {rt: transport.Route(), want: transport.ErrNoRoute},
		"route without match": {rt: transport.Route(transport.Rule{Match: transport.Methods("GET"), Transport: base}), want: transport.ErrNoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			body := &countingBody{Reader: strings.NewReader("body")}
			target, ctx := good, t.Context()
			if c.url != "" {
				target = c.url
			}
			if c.ctx != nil {
				ctx = c.ctx
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.rt.RoundTrip(req)
			if resp != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("response %v, error %v; want an error that is %v", resp, err, c.want)
			}
			if body.closed.Load() == 0 {
				t.Error("the body is left open")
			}
		})
	}
	if answer.closed.Load() != 1 {
		t.Error("the body of a response that came with an error is left open")
	}
}

// F109: a nil request is an error.
func TestNilRequest(t *testing.T) {
	rt := unbound(keep(t, newStore("v1")), transport.Bearer(), nil)
	body := &countingBody{}
	for _, req := range []*http.Request{nil, {}, {Body: body}} {
		if resp, err := rt.RoundTrip(req); resp != nil || err == nil {
			t.Errorf("response %v, error %v", resp, err)
		}
	}
	if body.closed.Load() != 1 {
		t.Error("the body is left open")
	}
	var none *transport.Transport
	none.CloseIdleConnections()
	(&transport.Transport{}).CloseIdleConnections()
	if none.Ring() != nil {
		t.Error("a ring of nothing")
	}
	for _, h := range []func(*http.Request) bool{transport.Methods("GET"), transport.Host("h")} {
		_ = h(&http.Request{})
	}
}

// F47, F48: with two transports, one over the other, a request that the transports send
// unchanged is one attempt.
func TestStackedOverCallersOwnKey(t *testing.T) {
	keys := keep(t, newStore("v1"))
	base := unbound(keys, transport.Bearer(), transport.WithBase(takes("mine")), transport.WithPassThrough())
	rt := unbound(keys, transport.Bearer(), transport.WithBase(base), transport.WithPassThrough())
	req := get(t, "https://api.example.com")
	req.Header.Set("Authorization", "Bearer "+sentinel+"mine")
	send(t, rt, req).want(t, http.StatusOK, transport.CallersKey, 1)
}

// F48: with two transports, one over the other, the key is sent once, and refusals are
// classified once.
func TestStackedTwice(t *testing.T) {
	for name, scheme := range map[string]transport.Scheme{"bearer": transport.Bearer(), "query": transport.Query("key")} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				g.secret = func(r *http.Request) string {
					v := r.URL.Query()["key"]
					for _, h := range r.Header["Authorization"] {
						v = append(v, strings.TrimPrefix(h, "Bearer "))
					}
					return strings.Join(v, ",")
				}
				srv := p.serve(t, g)
				keys := keep(t, newStore("v2", "v1"))
				inner := unbound(keys, scheme, transport.WithBase(srv.base(t)))
				outer := unbound(keys, scheme, transport.WithBase(inner))
				send(t, outer, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
				g.wantVersions(t, "v2", "v1")
			})
		})
	}
}
