package grpcauth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
)

// What each status says of the key that was sent, by itself and after the refusal
// of another key.
//
// F118
func TestWhatAStatusSaysOfTheKey(t *testing.T) {
	for code, after := range map[codes.Code]source.State{
		codes.OK: source.StateAccepted,

		codes.InvalidArgument: source.StateAccepted, codes.NotFound: source.StateAccepted, codes.AlreadyExists: source.StateAccepted,
		codes.FailedPrecondition: source.StateAccepted, codes.Aborted: source.StateAccepted,
		codes.OutOfRange: source.StateAccepted, codes.DataLoss: source.StateAccepted,

		codes.Canceled: source.StateUnknown, codes.Unknown: source.StateUnknown, codes.DeadlineExceeded: source.StateUnknown,
		codes.PermissionDenied: source.StateUnknown, codes.ResourceExhausted: source.StateUnknown,
		codes.Unimplemented: source.StateUnknown, codes.Internal: source.StateUnknown, codes.Unavailable: source.StateUnknown,
	} {
		for name, call := range kinds {
			for _, refused := range []bool{false, true} {
				b := setup(t, []string{"v2", "v1"})
				used, want := "v2", source.StateUnknown
				if refused {
					b.accept("v1")
					used, want = "v1", after
				}
				if code == codes.OK {
					want = source.StateAccepted
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

// A server that answers PermissionDenied to a bad key: a doubtful refusal counts
// only when another key helps.
//
// F118, F65
func TestDoubtfulRefusal(t *testing.T) {
	denied := grpcauth.WithClassifier(func(s *status.Status) transport.Verdict {
		if s.Code() == codes.PermissionDenied {
			return transport.Doubtful
		}
		return grpcauth.Unauthenticated(s)
	})
	for name, call := range kinds {
		b := setup(t, []string{"v2", "v1"}, denied)
		b.refuse = func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }
		b.accept("v1")
		if err := call(t.Context(), b.api); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.wantSeen(t, "v2", "v1")
		b.standing("v2", source.StateRefused, 0, 1)

		b = setup(t, []string{"v2", "v1"}, denied)
		b.refuse = func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }
		b.accept()
		if err := call(t.Context(), b.api); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
		if v := b.ring.Status().Current; v.State == source.StateRefused {
			t.Errorf("%s: a doubt counts against %s", name, v.Version)
		}
	}
}
