package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// With another header, Authorization is left to the caller.
func TestOtherHeader(t *testing.T) {
	b := setup(t, nil, []string{"v1"})
	var seen http.Header
	b.refuse = func(h http.Header) error { // for it reads Authorization
		seen = h.Clone()
		return nil
	}
	b.own("Basic mine", connectauth.WithHeader("X-Api-Key", ""))
	if err := serverStream(t.Context(), b.api); err != nil {
		t.Fatal(err)
	}
	if seen.Get("X-Api-Key") != drill.Sentinel+"v1" || seen.Get("Authorization") != "Basic mine" {
		t.Error("the headers do not arrive as they should")
	}
}

// F53, F55, F56, F131: the key goes only to its origin, and not over plain http.
func TestKeyIsBoundToAnOrigin(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
		other := serve(true, "v1")
		defer other.Close()
		for _, opts := range [][]connectauth.Option{nil, {connectauth.WithOrigin(b.URL)}} {
			auth := connectauth.New(b.ring, opts...)
			client := &http.Client{Transport: auth.Transport(b.http)}
			protocol := append(protocol[:len(protocol):len(protocol)], connect.WithInterceptors(auth))
			urls := []string{other.URL, "http" + strings.TrimPrefix(b.URL, "https")}
			if opts == nil { // F131
				urls = append(urls, b.URL)
			} else if err := call(t.Context(), newCalls(client, b.URL, protocol...)); err != nil {
				t.Error(err)
			}
			for _, url := range urls {
				if err := call(t.Context(), newCalls(client, url, protocol...)); !errors.Is(err, transport.ErrOrigin) || connect.CodeOf(err) != connect.CodeInternal {
					t.Error(err)
				}
			}
		}
		other.WantSeen(t)
		auth := connectauth.New(b.ring, connectauth.WithOrigin(b.URL))
		plain := newCalls(&http.Client{Transport: auth.Transport(b.http)}, "http://api.example.com", append(protocol[:len(protocol):len(protocol)], connect.WithInterceptors(auth))...)
		if err := call(t.Context(), plain); !errors.Is(err, transport.ErrInsecure) {
			t.Error(err)
		}
		if v := b.ring.Status().Current; v.Refused != 0 || v.InFlight != 0 {
			t.Errorf("refused %d, in flight %d", v.Refused, v.InFlight)
		}
	})
}

// Plain http is allowed to loopback; to other hosts only with the option.
func TestPlainHTTP(t *testing.T) {
	b := setup(t, nil, []string{"v1"})
	plain := serve(false, "v1")
	defer plain.Close()
	base := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
	}}
	defer base.CloseIdleConnections()
	for _, url := range []string{plain.URL, "http://localhost:8080", "http://api.example.com"} {
		opts := []connectauth.Option{connectauth.WithOrigin(url)}
		if strings.HasSuffix(url, ".com") {
			opts = append(opts, connectauth.WithInsecureHTTP())
		}
		auth := connectauth.New(b.ring, opts...)
		client := &http.Client{Transport: auth.Transport(base)}
		for _, k := range []string{"unary", "server"} {
			if err := kinds[k](t.Context(), newCalls(client, url, connect.WithInterceptors(auth))); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		}
		client.CloseIdleConnections()
	}
	plain.WantSeen(t, "v1", "v1", "v1", "v1", "v1", "v1")
}

// In a handler the interceptor does nothing, and the transport sends requests of others
// unchanged.
func TestLeavesOthersAlone(t *testing.T) {
	b := setup(t, nil, []string{"v1"})
	auth := connectauth.New(b.ring)
	mux := http.NewServeMux()
	mux.Handle("/test.Calls/Unary", connect.NewUnaryHandler("/test.Calls/Unary", b.unary, connect.WithInterceptors(auth)))
	mux.Handle("/test.Calls/Bidi", connect.NewBidiStreamHandler("/test.Calls/Bidi", b.bidi, connect.WithInterceptors(auth)))
	handled := httptest.NewUnstartedServer(mux)
	handled.EnableHTTP2 = true
	handled.StartTLS()
	defer handled.Close()
	api := newCalls(&http.Client{Transport: auth.Transport(handled.Client().Transport)}, handled.URL)
	for _, k := range []string{"unary", "bidi"} {
		if err := kinds[k](t.Context(), api); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	b.standing("v1", ring.StateUnused, 0, 0)
}

// F53, F54: a redirect to another origin is followed without the key, and its answer
// says nothing about the key.
func TestRedirectElsewhereHasNoKey(t *testing.T) {
	b := setup(t, nil, []string{"v1"}, connectauth.WithHeader("Authorization", "Bearer "))
	other := serve(true, "v1")
	defer other.Close()
	other.refuse = func(h http.Header) error {
		if h.Get("Authorization") != "" {
			t.Error("the key leaves its origin")
		}
		return connect.NewError(connect.CodeUnauthenticated, errors.New("no key"))
	}
	b.Set(func() { b.redirect = other.URL })
	for _, k := range []string{"unary", "server"} {
		if err := kinds[k](t.Context(), b.api); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
	}
	other.WantSeen(t, "", "")
	b.standing("v1", ring.StateUnknown, 0, 0)
}

// Without the transport no key is sent, and the error says what is missing.
func TestWithoutTheTransport(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v2", "v1"})
		api := newCalls(&http.Client{Transport: b.http}, b.URL, append(protocol[:len(protocol):len(protocol)], connect.WithInterceptors(connectauth.New(b.ring, connectauth.WithOrigin(b.URL))))...)
		if err := call(t.Context(), api); !errors.Is(err, connectauth.ErrNoTransport) || connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
		b.WantSeen(t, "")
		b.standing("v2", ring.StateUnknown, 0, 0)
	})
}

// A context that is canceled while a refused call waits for the source ends the call. One
// with a deadline leaves it the refusal, unless the machine is too busy for that.
//
// F41, F133
func TestContextEndsTheWaiting(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		for _, code := range []connect.Code{connect.CodeCanceled, connect.CodeDeadlineExceeded} {
			b := setup(t, protocol, []string{"v1"})
			b.reopen(ring.WithRefusalWait(time.Hour))
			b.Accept()
			ctx, cancel := context.WithCancel(t.Context())
			if code == connect.CodeDeadlineExceeded {
				ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			}
			done := make(chan error, 1)
			go func() { done <- call(ctx, b.api) }()
			if code == connect.CodeCanceled {
				b.until("the refusal", func() bool { return b.Refused > 0 })
				cancel()
			}
			if err := <-done; connect.CodeOf(err) != code && (code != connect.CodeDeadlineExceeded || connect.CodeOf(err) != connect.CodeUnauthenticated) {
				t.Errorf("%v, want %s", err, code)
			}
			cancel()
			b.until("the end", func() bool { return b.ring.Status().Current.InFlight == 0 })
			if v := b.ring.Status().Current; v.Accepted != 0 {
				t.Errorf("accepted %d", v.Accepted)
			}
		}
	})
}

// If there is no key, the call fails with the ring's error and a code, without waiting
// for an answer.
func TestNoKey(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
		b.ring.Close()
		if err := call(context.Background(), b.api); !errors.Is(err, ring.ErrClosed) || connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
		for _, auth := range []*connectauth.Auth{connectauth.New(nil), connectauth.New(b.ring, connectauth.WithOrigin("no origin"))} {
			api := newCalls(&http.Client{Transport: auth.Transport(b.http)}, b.URL, append(protocol[:len(protocol):len(protocol)], connect.WithInterceptors(auth))...)
			if err := call(context.Background(), api); !errors.Is(err, source.ErrNoKey) && !errors.Is(err, transport.ErrOrigin) {
				t.Error(err)
			}
		}
		in, err := b.api.server.CallServerStream(context.Background(), connect.NewRequest(wrapperspb.Int64(1)))
		if err == nil {
			in.Close()
			t.Error("a stream without a key")
		}
		both := b.api.bidi.CallBidiStream(context.Background())
		if _, err := both.Receive(); !errors.Is(err, ring.ErrClosed) {
			t.Error(err)
		}
		both.ResponseHeader()
		both.ResponseTrailer()
		both.CloseRequest()
		both.CloseResponse()
		b.WantSeen(t)
	})
}

// F19: a key that a header cannot carry never becomes current.
func TestRefusesUnusableKeys(t *testing.T) {
	for _, header := range []string{"", "x key", "x:key"} {
		b := setup(t, nil, []string{"v1"}, connectauth.WithHeader(header, ""))
		if err := unary(t.Context(), b.api); !errors.Is(err, source.ErrUnusable) && !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%q: %v", header, err)
		}
		b.WantSeen(t)
	}
}

// F57, F93: neither an error nor fmt shows the secret.
func TestShowsNoSecret(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
		b.reopen(ring.WithRefusalWait(0))
		b.Accept()
		b.refuse = func(h http.Header) error {
			err := connect.NewError(connect.CodeUnauthenticated, fmt.Errorf("%s is bad", h.Get("Authorization")))
			err.Meta().Set("Reason", "expired")
			detail, _ := connect.NewErrorDetail(wrapperspb.Int64(7))
			err.AddDetail(detail)
			return err
		}
		err := call(t.Context(), b.api)
		var e *connect.Error
		if !errors.As(err, &e) || e.Code() != connect.CodeUnauthenticated || !connect.IsWireError(err) ||
			strings.Contains(err.Error(), drill.Sentinel) || !strings.Contains(err.Error(), "[redacted]") {
			t.Errorf("the error has code %s, and shows the secret or not even its place", connect.CodeOf(err))
		} else if e.Meta().Get("Reason") != "expired" || len(e.Details()) != 1 {
			t.Error("the error has lost its metadata or details")
		}
		auth := connectauth.New(b.ring)
		if text := fmt.Sprintf("%v %+v %#v", auth, auth, auth.Transport(nil)); strings.Contains(text, drill.Sentinel) {
			t.Error("the secret shows")
		}
	})
}
