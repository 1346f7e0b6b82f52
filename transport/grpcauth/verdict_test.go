package grpcauth_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
)

// Each status has a meaning for the key, alone and after the refusal of another
// key.
//
// F118
func TestWhatAStatusSaysOfTheKey(t *testing.T) {
	for code, after := range map[codes.Code]ring.State{
		codes.OK: ring.StateAccepted,

		codes.InvalidArgument: ring.StateAccepted, codes.NotFound: ring.StateAccepted, codes.AlreadyExists: ring.StateAccepted,
		codes.FailedPrecondition: ring.StateAccepted, codes.Aborted: ring.StateAccepted,
		codes.OutOfRange: ring.StateAccepted, codes.DataLoss: ring.StateAccepted,

		codes.Canceled: ring.StateUnknown, codes.Unknown: ring.StateUnknown, codes.DeadlineExceeded: ring.StateUnknown,
		codes.PermissionDenied: ring.StateUnknown, codes.ResourceExhausted: ring.StateUnknown,
		codes.Unimplemented: ring.StateUnknown, codes.Internal: ring.StateUnknown, codes.Unavailable: ring.StateUnknown,
	} {
		for name, call := range kinds {
			for _, refused := range []bool{false, true} {
				b := setup(t, []string{"v2", "v1"})
				used, want := "v2", ring.StateUnknown
				if refused {
					b.Accept("v1")
					used, want = "v1", after
				}
				if code == codes.OK {
					want = ring.StateAccepted
				} else {
					b.answer = func() error { return status.Error(code, "the application's answer") }
				}
				if err := call(t.Context(), b.api); status.Code(err) != code {
					t.Errorf("%s, %s: %v", name, code, err)
				}
				for _, v := range b.ring.Status().Versions {
					if v.Version == used && (v.State != want || v.InFlight != 0) {
						t.Errorf("%s, %s, after a refusal %v: %s is %s, want %s", name, code, refused, used, v.State, want)
					}
				}
			}
		}
	}
}

// A server answers PermissionDenied to a bad key. This ambiguous refusal counts only if
// another key is accepted.
//
// F118, F65
func TestDoubtfulRefusal(t *testing.T) {
	denied := grpcauth.WithClassifier(func(s *status.Status) transport.Verdict {
		if s.Code() == codes.PermissionDenied {
			return transport.Ambiguous
		}
		return grpcauth.Unauthenticated(s)
	})
	for name, call := range kinds {
		b := setup(t, []string{"v2", "v1"}, denied)
		b.refuse = func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }
		b.Accept("v1")
		if err := call(t.Context(), b.api); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.WantSeen(t, "v2", "v1")
		b.standing("v2", ring.StateRefused, 0, 1)

		b = setup(t, []string{"v2", "v1"}, denied)
		b.refuse = func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }
		b.Accept()
		if err := call(t.Context(), b.api); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
		if v := b.ring.Status().Current; v.State == ring.StateRefused {
			t.Errorf("%s: an ambiguous refusal counts against %s", name, v.Version)
		}
	}
}

// An error of another interceptor that wraps io.EOF is no success.
//
// F118
func TestWrappedEOFIsNoAcceptance(t *testing.T) {
	keys, err := ring.Keep(t.Context(), source.Static(source.Key{Version: "v1", Secret: source.NewSecret("rksentinel_1")}), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	cc, err := grpc.NewClient("passthrough:///api.example.com", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	broken := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		for _, o := range opts {
			if o, ok := o.(grpc.PerRPCCredsCallOption); ok {
				_, _ = o.Creds.GetRequestMetadata(ctx)
			}
		}
		return fmt.Errorf("reading the tunnel: %w", io.EOF)
	}
	if err := grpcauth.New(keys, grpcauth.WithTarget("passthrough:///api.example.com")).UnaryInterceptor(t.Context(), "/test.Calls/Unary", nil, nil, cc, broken); err == nil {
		t.Error("no error")
	}
	if s := keys.Status().Current; s.State != ring.StateUnknown || s.InFlight != 0 {
		t.Errorf("the key is %s, with %d in flight", s.State, s.InFlight)
	}
}

// A server that refuses keys with PermissionDenied: a new key that gets nothing else is
// reported, with the option that makes it a refusal.
//
// F138
func TestNewVersionThatIsOnlyDenied(t *testing.T) {
	b := setup(t, []string{"v1"})
	b.refuse = func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }
	f := b.fallback(kinds["unary"])
	f.Is = func(err error) bool { return status.Code(err) == codes.PermissionDenied }
	f.OnlyDenied(t, "WithClassifier")
}
