package connectauth_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// own makes a client whose calls have the caller's own credential.
func (b *bench) own(value string, opts ...connectauth.Option) {
	auth := connectauth.New(b.ring, append(opts, connectauth.WithOrigin(b.URL))...)
	b.api = newCalls(&http.Client{Transport: auth.Transport(b.http)}, b.URL,
		append(b.proto, connect.WithInterceptors(credentialed(value), auth))...)
}

// credentialed is an interceptor that sets an authorization header in lower case, as
// headers from a proxy or a browser may be.
type credentialed string

func (c credentialed) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		req.Header()["authorization"] = []string{string(c)}
		defer delete(req.Header(), "authorization")
		return next(ctx, req)
	}
}

func (c credentialed) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader()["authorization"] = []string{string(c)}
		return conn
	}
}

func (c credentialed) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// F47, F113: the caller's own credential is an error, is replaced, or is sent.
func TestCallersOwnCredential(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
		b.own("Bearer " + drill.Sentinel + "own")
		err := call(t.Context(), b.api)
		if !errors.Is(err, transport.ErrCredential) || strings.Contains(err.Error(), drill.Sentinel) || connect.CodeOf(err) != connect.CodeInternal {
			t.Error(err)
		}
		b.WantSeen(t)

		b.own("Bearer "+drill.Sentinel+"own", connectauth.WithPassThrough())
		if err := call(t.Context(), b.api); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
		b.WantSeen(t, "own")
		b.standing("v1", ring.StateUnused, 0, 0)

		b.own("Bearer "+drill.Sentinel+"own", connectauth.WithOverride())
		if err := call(t.Context(), b.api); err != nil {
			t.Error(err)
		}
		b.WantSeen(t, "own", "v1")

		for _, value := range []string{"", "Bearer", "bearer "} { // none at all
			b.own(value)
			if err := call(t.Context(), b.api); err != nil {
				t.Errorf("%q: %v", value, err)
			}
		}
		b.WantSeen(t, "own", "v1", "v1", "v1", "v1")
	})
}

// F114: if the ring knows the caller's own key, it counts as a use of its version. If
// the ring does not know it, no version is safe to revoke.
func TestCallersOwnKeysCount(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		for _, key := range []string{"v1", "v9"} {
			b := setup(t, protocol, []string{"v2", "v1"})
			b.Accept("v2", "v1", "v9")
			if err := call(t.Context(), b.api); err != nil { // with v2
				t.Fatal(err)
			}
			b.own("Bearer "+drill.Sentinel+key, connectauth.WithPassThrough())
			if err := call(t.Context(), b.api); err != nil {
				t.Fatal(err)
			}
			b.WantSeen(t, "v2", key)
			for _, v := range b.ring.Status().Versions {
				if v.SafeToRevoke || v.InFlight != 0 {
					t.Errorf("%s: %s is safe to revoke %v, in flight %d", key, v.Version, v.SafeToRevoke, v.InFlight)
				}
				if key == "v1" && v.Version == key && v.Requests != 1 {
					t.Errorf("%d requests with %s", v.Requests, key)
				}
			}
		}
	})
}

// F116: an Auth that is garbage collected releases its slot in the ring.
func TestSlotIsGivenBack(t *testing.T) {
	b := setup(t, nil, []string{"v1"})
	drill.SlotIsGivenBack(t, b.ring, func() { connectauth.New(b.ring) })
	runtime.KeepAlive(b) // otherwise slot 0 is released too
}

// F97: if a classifier panics, the answer says nothing about the key.
func TestClassifierPanics(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v2", "v1"}, connectauth.WithClassifier(func(*connect.Error) transport.Verdict { panic("no") }))
		b.Accept("v1")
		if err := call(t.Context(), b.api); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
		b.standing("v2", ring.StateUnknown, 0, 0)
	})
}
