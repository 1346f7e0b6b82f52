package connectauth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
)

// Each code has a meaning for the key, alone and after the refusal of another
// key.
//
// F118
func TestWhatACodeSaysOfTheKey(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v2", "v1"})
		for code, after := range map[connect.Code]ring.State{
			connect.CodeInvalidArgument: ring.StateAccepted, connect.CodeNotFound: ring.StateAccepted,
			connect.CodeAlreadyExists: ring.StateAccepted, connect.CodeFailedPrecondition: ring.StateAccepted,
			connect.CodeAborted: ring.StateAccepted, connect.CodeOutOfRange: ring.StateAccepted, connect.CodeDataLoss: ring.StateAccepted,

			connect.CodeCanceled: ring.StateUnknown, connect.CodeUnknown: ring.StateUnknown,
			connect.CodeDeadlineExceeded: ring.StateUnknown, connect.CodePermissionDenied: ring.StateUnknown,
			connect.CodeResourceExhausted: ring.StateUnknown, connect.CodeUnimplemented: ring.StateUnknown,
			connect.CodeInternal: ring.StateUnknown, connect.CodeUnavailable: ring.StateUnknown,
		} {
			for _, refused := range []bool{false, true} {
				used, want := "v2", ring.StateUnknown
				b.Accept("v2", "v1")
				if refused {
					b.Accept("v1")
					used, want = "v1", after
				}
				b.Set(func() {
					b.answer = func() error { return connect.NewError(code, errors.New("the application's answer")) }
				})
				b.reopen()
				if err := call(t.Context(), b.api); connect.CodeOf(err) != code {
					t.Errorf("%s: %v", code, err)
				}
				for _, v := range b.ring.Status().Versions {
					if v.Version == used && (v.State != want || v.InFlight != 0) {
						t.Errorf("%s, after a refusal %v: %s is %s, want %s", code, refused, used, v.State, want)
					}
				}
			}
		}
	})
}

// A server answers PermissionDenied to a bad key. This ambiguous refusal counts only if
// another key is accepted.
//
// F118, F65
func TestDoubtfulRefusal(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		for _, good := range [][]string{{"v1"}, nil} {
			b := setup(t, protocol, []string{"v2", "v1"}, connectauth.WithClassifier(func(e *connect.Error) transport.Verdict {
				if e.Code() == connect.CodePermissionDenied {
					return transport.Ambiguous
				}
				return connectauth.Unauthenticated(e)
			}))
			b.refuse = func(http.Header) error { return connect.NewError(connect.CodePermissionDenied, errors.New("no")) }
			b.Accept(good...)
			err := call(t.Context(), b.api)
			if good != nil {
				if err != nil {
					t.Error(err)
				}
				b.WantSeen(t, "v2", "v1")
				b.standing("v2", ring.StateRefused, 0, 1)
			} else {
				if connect.CodeOf(err) != connect.CodePermissionDenied {
					t.Error(err)
				}
				if v := b.ring.Status().Current; v.State == ring.StateRefused {
					t.Errorf("an ambiguous refusal counts against %s", v.Version)
				}
			}
		}
	})
}

// A server that refuses keys with PermissionDenied: a new key that gets nothing else is
// reported, with the option that makes it a refusal.
//
// F138
func TestNewVersionThatIsOnlyDenied(t *testing.T) {
	b := setup(t, nil, []string{"v1"})
	b.refuse = func(http.Header) error { return connect.NewError(connect.CodePermissionDenied, errors.New("no")) }
	f := b.fallback(kinds["unary"])
	f.Is = func(err error) bool { return connect.CodeOf(err) == connect.CodePermissionDenied }
	f.OnlyDenied(t, "WithClassifier")
}
