package grpcauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// F118, F56: the key is not sent over plaintext. gRPC then fails with its own
// Unauthenticated, which does not count against the key.
func TestKeyStaysOffInsecureConnections(t *testing.T) {
	for name, call := range kinds {
		b := setup(t, []string{"v2", "v1"})
		plain := serve(t, true, "v2")
		conn := b.dial(plain.addr, grpcauth.New(b.ring, grpcauth.WithTarget(plain.addr)), insecure.NewCredentials())
		err := call(t.Context(), pb.NewTestServiceClient(conn))
		if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "insecure") {
			t.Errorf("%s: %v", name, err)
		}
		plain.WantSeen(t)
		b.standing("v2", ring.StateUnknown, 0, 0)
		conn = b.dial(plain.addr, grpcauth.New(b.ring, grpcauth.WithTarget(plain.addr), grpcauth.WithInsecure()), insecure.NewCredentials())
		if err := call(t.Context(), pb.NewTestServiceClient(conn)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		plain.WantSeen(t, "v2")
	}
}

// own is a caller's PerRPCCredentials.
type own map[string]string

func (o own) GetRequestMetadata(context.Context, ...string) (map[string]string, error) { return o, nil }
func (o own) RequireTransportSecurity() bool                                           { return true }

// F47, F113: the caller's own credential is an error, is replaced, or is sent.
func TestCallersOwnCredential(t *testing.T) {
	mine := "Bearer " + drill.Sentinel + "own"
	comes := map[string]func(context.Context) (context.Context, []grpc.CallOption){
		"metadata": func(ctx context.Context) (context.Context, []grpc.CallOption) {
			return metadata.AppendToOutgoingContext(ctx, "Authorization", mine), nil
		},
		"credentials": func(ctx context.Context) (context.Context, []grpc.CallOption) {
			return ctx, []grpc.CallOption{grpc.PerRPCCredentials(own{"Authorization": mine})}
		},
	}
	for how, with := range comes {
		for name, call := range kinds {
			try := func(opts ...grpcauth.Option) (*bench, error) {
				b := setup(t, []string{"v1"}, opts...)
				ctx, more := with(t.Context())
				return b, call(ctx, b.api, more...)
			}
			b, err := try()
			if !errors.Is(err, transport.ErrCredential) || strings.Contains(err.Error(), drill.Sentinel) || status.Code(err) != codes.Internal {
				t.Errorf("%s, %s: %v", how, name, err)
			}
			b.WantSeen(t)

			if b, err = try(grpcauth.WithOverride()); err != nil {
				t.Errorf("%s, %s: %v", how, name, err)
			}
			b.WantSeen(t, "v1")

			b, err = try(grpcauth.WithPassThrough())
			if status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s, %s: %v", how, name, err)
			}
			b.WantSeen(t, "own")
			if v := b.ring.Status().Current; v.Refused != 0 || v.Accepted != 0 || v.InFlight != 0 {
				t.Errorf("%s, %s: refused %d, accepted %d, in flight %d", how, name, v.Refused, v.Accepted, v.InFlight)
			}
		}
	}
}

// F114: if the ring knows the caller's own key, it counts as a use of its version. If
// the ring does not know it, no version is safe to revoke.
func TestCallersOwnKeysCount(t *testing.T) {
	for name, call := range kinds {
		for _, key := range []string{"v1", "v9"} {
			for _, byCreds := range []bool{false, true} {
				b := setup(t, []string{"v2", "v1"}, grpcauth.WithPassThrough())
				b.Accept("v2", "v1", "v9")
				if err := call(t.Context(), b.api); err != nil { // with v2
					t.Fatal(err)
				}
				ctx, opts := t.Context(), []grpc.CallOption(nil)
				if value := "Bearer " + drill.Sentinel + key; byCreds {
					opts = append(opts, grpc.PerRPCCredentials(own{"authorization": value}))
				} else {
					ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
				}
				if err := call(ctx, b.api, opts...); err != nil {
					t.Fatal(err)
				}
				b.WantSeen(t, "v2", key)
				for _, v := range b.ring.Status().Versions {
					if v.SafeToRevoke || v.InFlight != 0 {
						t.Errorf("%s, %s: %s is safe to revoke %v, in flight %d", name, key, v.Version, v.SafeToRevoke, v.InFlight)
					}
					if key == "v1" && v.Version == key && v.Requests != 1 {
						t.Errorf("%s: %d requests with %s", name, v.Requests, key)
					}
				}
			}
		}
	}
}

// F116: an Auth that is garbage collected releases its slot in the ring.
func TestSlotIsGivenBack(t *testing.T) {
	b := setup(t, []string{"v1"})
	drill.SlotIsGivenBack(t, b.ring, func() { grpcauth.New(b.ring) })
	runtime.KeepAlive(b) // otherwise slot 0 is released too
}

// F97: if a classifier panics, the answer says nothing about the key.
func TestClassifierPanics(t *testing.T) {
	for name, call := range kinds {
		b := setup(t, []string{"v2", "v1"}, grpcauth.WithClassifier(func(*status.Status) transport.Verdict { panic("no") }))
		b.Accept("v1")
		if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
		b.standing("v2", ring.StateUnknown, 0, 0)
	}
}

// An empty value, or the name of an authentication scheme alone, is not a credential,
// and is not sent beside the key.
func TestEmptyCredentialIsNone(t *testing.T) {
	for _, value := range []string{"", "Bearer", "bearer "} {
		b := setup(t, []string{"v1"})
		if err := unary(metadata.AppendToOutgoingContext(t.Context(), "authorization", value), b.api); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		b.WantSeen(t, "v1")
	}
}

// The caller's other metadata and credentials arrive, and the caller's context does not
// change.
func TestOtherMetadataStays(t *testing.T) {
	b := setup(t, []string{"v1"})
	b.conn = b.dial(b.addr, grpcauth.New(b.ring, grpcauth.WithTarget(b.addr), grpcauth.WithHeader("X-Api-Key", "")), credentials.NewClientTLSFromCert(b.roots, ""))
	var seen metadata.MD
	b.refuse = func(ctx context.Context) error { // which only reads authorization
		seen, _ = metadata.FromIncomingContext(ctx)
		return nil
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "a", "x-other", "b")
	if err := unary(ctx, pb.NewTestServiceClient(b.conn), grpc.PerRPCCredentials(own{"x-third": "c"})); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"authorization": "a", "x-other": "b", "x-third": "c", "x-api-key": drill.Sentinel + "v1"} {
		if got := strings.Join(seen[name], ","); got != want {
			t.Errorf("%s does not arrive as it was sent", name)
		}
	}
	if md, _ := metadata.FromOutgoingContext(ctx); len(md["x-api-key"]) > 0 {
		t.Error("the key is in the caller's context")
	}
}

// F53, F55, F131: the key goes only to its target, and without one nowhere. The error says
// which targets there are, or what to write.
func TestKeyIsBoundToATarget(t *testing.T) {
	b := setup(t, []string{"v1"})
	other := serve(t, false, "v1")
	for _, opts := range [][]grpcauth.Option{nil, {grpcauth.WithTarget(b.addr)}} {
		auth := grpcauth.New(b.ring, opts...)
		creds := credentials.NewClientTLSFromCert(b.roots, "")
		here, there := b.dial(b.addr, auth, creds), b.dial(other.addr, auth, creds)
		for name, call := range kinds {
			err := call(t.Context(), pb.NewTestServiceClient(here))
			if opts == nil && (!errors.Is(err, grpcauth.ErrTarget) || !strings.Contains(err.Error(), "WithTarget(")) || opts != nil && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			err = call(t.Context(), pb.NewTestServiceClient(there))
			if !errors.Is(err, grpcauth.ErrTarget) || opts != nil && !strings.Contains(err.Error(), b.addr) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	other.WantSeen(t)
	auth := grpcauth.New(b.ring, grpcauth.WithTarget(b.addr, "dns:///"+other.addr))
	if err := unary(t.Context(), pb.NewTestServiceClient(b.dial(other.addr, auth, credentials.NewClientTLSFromCert(other.roots, "")))); err != nil {
		t.Error(err)
	}
}

// A context that is canceled while a refused call waits for the source ends the call. One
// with a deadline leaves it the refusal, unless the machine is too busy for that.
//
// F41, F133
func TestContextEndsTheWaiting(t *testing.T) {
	for name, call := range kinds {
		for _, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded} {
			b := setup(t, []string{"v1"})
			b.reopen(ring.WithRefusalWait(time.Hour))
			b.Accept()
			ctx, cancel := context.WithCancel(t.Context())
			if code == codes.DeadlineExceeded {
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			}
			done := make(chan error, 1)
			go func() { done <- call(ctx, b.api) }()
			if code == codes.Canceled {
				b.until("the refusal", func() bool { return b.Refused > 0 })
				cancel()
			}
			if err := <-done; status.Code(err) != code && (code != codes.DeadlineExceeded || status.Code(err) != codes.Unauthenticated) {
				t.Errorf("%s: %v, want %s", name, err, code)
			}
			cancel()
			if v := b.ring.Status().Current; v.InFlight != 0 || v.Accepted != 0 {
				t.Errorf("%s: in flight %d, accepted %d", name, v.InFlight, v.Accepted)
			}
		}
	}
}

// A stream that its caller abandons does not count as under way forever.
func TestAbandonedStream(t *testing.T) {
	b := setup(t, []string{"v1"})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := b.api.FullDuplexCall(ctx); err != nil {
		t.Fatal(err)
	}
	if v := b.ring.Status().Current; v.InFlight != 1 {
		t.Errorf("in flight %d", v.InFlight)
	}
	cancel()
	b.until("the end", func() bool { return b.ring.Status().Current.InFlight == 0 })
	b.standing("v1", ring.StateUnknown, 0, 0)
}

// If there is no key, the call fails with the ring's error and a status.
func TestNoKey(t *testing.T) {
	b := setup(t, []string{"v1"})
	b.ring.Close()
	for name, call := range kinds {
		if err := call(t.Context(), b.api); !errors.Is(err, ring.ErrClosed) || status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn := b.dial(b.addr, grpcauth.New(nil, grpcauth.WithTarget(b.addr)), credentials.NewClientTLSFromCert(b.roots, ""))
	if err := unary(t.Context(), pb.NewTestServiceClient(conn)); !errors.Is(err, source.ErrNoKey) {
		t.Error(err)
	}
	b.WantSeen(t)
}

// F19: a key that metadata cannot carry never becomes current.
func TestRefusesUnusableKeys(t *testing.T) {
	for _, header := range []string{"", "x key", "key-bin", "grpc-key", ":key"} {
		b := setup(t, []string{"v1"}, grpcauth.WithHeader(header, ""))
		if err := unary(t.Context(), b.api); !errors.Is(err, source.ErrUnusable) && !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%q: %v", header, err)
		}
		b.WantSeen(t)
	}
}

// F57, F93: neither an error nor fmt shows the secret.
func TestShowsNoSecret(t *testing.T) {
	for name, call := range kinds {
		b := setup(t, []string{"v1"})
		b.ring.Close()
		b.ring = b.store.Keep(t, ring.WithRefusalWait(0))
		auth := grpcauth.New(b.ring, grpcauth.WithTarget(b.addr))
		b.conn = b.dial(b.addr, auth, credentials.NewClientTLSFromCert(b.roots, ""))
		b.Accept()
		b.refuse = func(ctx context.Context) error {
			md, _ := metadata.FromIncomingContext(ctx)
			return status.Errorf(codes.Unauthenticated, "%s is bad", md["authorization"])
		}
		var printed []grpc.CallOption
		err := call(t.Context(), pb.NewTestServiceClient(b.conn), grpc.OnFinish(func(err error) {
			if strings.Contains(err.Error(), drill.Sentinel) {
				t.Errorf("%s: OnFinish gets the secret", name)
			}
		}))
		if status.Code(err) != codes.Unauthenticated || strings.Contains(err.Error(), drill.Sentinel) || !strings.Contains(err.Error(), "[redacted]") {
			t.Errorf("%s: the error has code %s, and shows the secret or not even its place", name, status.Code(err))
		}
		auth.UnaryInterceptor(t.Context(), "/m", nil, nil, b.conn, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			printed = opts
			return io.EOF
		})
		if text := fmt.Sprintf("%v %+v %#v", auth, printed, printed); strings.Contains(text, drill.Sentinel) {
			t.Errorf("%s: the options show the secret", name)
		}
	}
}
