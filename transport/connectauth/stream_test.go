package connectauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
)

// A long upload is refused before the server has read any of it. The flow control of
// HTTP/2 holds it back, and all of it arrives with the other key.
//
// F118, F115
func TestLongUploadFallsBackWhenRefusedEarly(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		for _, byHTTP := range []bool{false, true} {
			b := setup(t, protocol, []string{"v2", "v1"}, connectauth.WithReplay(1<<20, 10<<20))
			b.Accept("v1")
			b.byHTTP = byHTTP
			if err := upload(t.Context(), b.api, 3000); err != nil {
				t.Fatal(err)
			}
			b.WantSeen(t, "v2", "v1")
		}
	})
}

// If a server reads more than is kept before it refuses, the caller gets the refusal,
// the ring learns of it, and the next call gets the other key.
//
// F118
func TestBeyondTheBoundTheRefusalGoesToTheCaller(t *testing.T) {
	for name, opt := range map[string]connectauth.Option{
		"messages": connectauth.WithReplay(10, 1<<20),
		"bytes":    connectauth.WithReplay(1000, 1000),
		"nothing":  connectauth.WithReplay(0, 0),
	} {
		overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
			for _, call := range []func(context.Context, *calls) error{
				func(ctx context.Context, api *calls) error { return upload(ctx, api, 12) },
				func(ctx context.Context, api *calls) error { return echo(ctx, api, 12) },
			} {
				b := setup(t, protocol, []string{"v2", "v1"}, opt)
				b.Accept("v1")
				b.late = 11
				if err := call(t.Context(), b.api); connect.CodeOf(err) != connect.CodeUnauthenticated {
					t.Errorf("%s: %v, want Unauthenticated", name, err)
				}
				b.WantSeen(t, "v2")
				b.standing("v2", ring.StateRefused, 0, 1)
				if err := call(t.Context(), b.api); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				b.WantSeen(t, "v2", "v1")
			}
		})
	}
}

// A server reads many messages before it refuses. Kept messages are sent again while
// the client receives, because the server may stop reading until its answers are read.
//
// F118
func TestReplayDoesNotWaitForTheAnswers(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v2", "v1"}, connectauth.WithReplay(1<<20, 10<<20))
		b.Accept("v1")
		b.late = 200
		if err := echo(t.Context(), b.api, 400); err != nil {
			t.Fatal(err)
		}
		b.WantSeen(t, "v2", "v1")
		if err := upload(t.Context(), b.api, 400); err != nil {
			t.Fatal(err)
		}
	})
}

// After its first message a stream is not made again, however it ends.
//
// F118
func TestRefusalAfterTheFirstMessageGoesToTheCaller(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v2", "v1"})
		in, err := b.api.server.CallServerStream(t.Context(), connect.NewRequest(wrapperspb.Int64(-1)))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if !in.Receive() {
			t.Fatal(in.Err())
		}
		if in.Receive() || connect.CodeOf(in.Err()) != connect.CodeUnauthenticated {
			t.Errorf("%v, want Unauthenticated", in.Err())
		}
		b.WantSeen(t, "v2")
		b.standing("v2", ring.StateAccepted, 1, 0)
	})
}

// Headers are not an acceptance. The first message is, long before the end.
//
// F118
func TestHeadersAreNoAcceptance(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v1"})
		both := b.api.bidi.CallBidiStream(t.Context())
		if err := both.Send(body(1)); err != nil {
			t.Fatal(err)
		}
		both.ResponseHeader() // the server sends them with its first message
		if v := b.ring.Status().Current; v.Accepted != 0 || v.InFlight != 1 {
			t.Errorf("with the headers: accepted %d, in flight %d", v.Accepted, v.InFlight)
		}
		if _, err := both.Receive(); err != nil {
			t.Fatal(err)
		}
		b.standing("v1", ring.StateAccepted, 1, 0)
		both.CloseRequest()
		both.CloseResponse()
	})
}

// The headers that the caller has set on a stream are sent in each attempt. The
// answer's headers and trailers are those of the last attempt. The caller never sees
// the key in a header.
//
// F29, F118
func TestHeadersOfAStream(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v2", "v1"})
		b.Accept("v1")
		var attempts []http.Header
		b.refuse = func(h http.Header) error {
			attempts = append(attempts, h.Clone())
			err := connect.NewError(connect.CodeUnauthenticated, errors.New("bad key"))
			err.Meta().Set("Refused", "1")
			return err
		}
		both := b.api.bidi.CallBidiStream(t.Context())
		both.RequestHeader().Set("X-Mine", "a")
		both.RequestHeader().Set("User-Agent", "mine")
		both.RequestHeader().Del("Accept-Encoding")
		if err := both.Send(nil); err != nil { // only the headers so far
			t.Fatal(err)
		}
		b.until("the refusal", func() bool { return len(attempts) == 1 })
		b.Set(func() { b.answer = func() error { return nil } })
		if err := both.Send(body(1)); err != nil {
			t.Fatal(err)
		}
		if m, err := both.Receive(); err != nil || !proto.Equal(m, body(1)) {
			t.Fatalf("%v, %v", m, err)
		}
		if both.ResponseHeader().Get("Refused") != "" || both.ResponseTrailer().Get("Refused") != "" {
			t.Error("the headers are the refusal's")
		}
		if both.RequestHeader().Get("Authorization") != "" {
			t.Error("the key is in the caller's headers")
		}
		both.CloseRequest()
		if _, err := both.Receive(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		both.CloseResponse()
		b.WantSeen(t, "v2", "v1")

		b.Accept() // to see what the next has
		b.reopen(ring.WithRefusalWait(0))
		both = b.api.bidi.CallBidiStream(t.Context())
		both.RequestHeader().Set("X-Mine", "b")
		both.RequestHeader().Set("User-Agent", "mine")
		both.CloseRequest()
		if _, err := both.Receive(); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Error(err)
		}
		both.CloseResponse()
		b.Set(func() {
			if len(attempts) != 3 {
				t.Fatalf("%d refusals", len(attempts))
			}
			for _, h := range attempts[1:] {
				if h.Get("X-Mine") != "b" || h.Get("User-Agent") != "mine" {
					t.Error("the second attempt lacks headers of the caller")
				}
			}
		})
	})
}

// A server answers before it has read everything. A message that is received while
// sending is passed to the caller.
func TestAnswerAheadOfTheEnd(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v1"}, connectauth.WithReplay(1<<20, 10<<20))
		b.Set(func() { b.enough = 10 })
		out := b.api.client.CallClientStream(t.Context())
		for n := range 3000 {
			if err := out.Send(body(n)); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		resp, err := out.CloseAndReceive()
		if err != nil || resp.Msg.Value != 10 {
			t.Errorf("%v, %v", resp, err)
		}
		b.standing("v1", ring.StateAccepted, 1, 0)
	})
}

// A stream that its caller abandons does not count as under way forever.
func TestAbandonedStream(t *testing.T) {
	overEach(t, func(t *testing.T, _ string, protocol []connect.ClientOption) {
		b := setup(t, protocol, []string{"v1"})
		ctx, cancel := context.WithCancel(t.Context())
		both := b.api.bidi.CallBidiStream(ctx)
		if err := both.Send(body(1)); err != nil {
			t.Fatal(err)
		}
		if v := b.ring.Status().Current; v.InFlight != 1 {
			t.Errorf("in flight %d", v.InFlight)
		}
		cancel()
		b.until("the end", func() bool { return b.ring.Status().Current.InFlight == 0 })
		both = b.api.bidi.CallBidiStream(t.Context())
		if err := both.Send(body(1)); err != nil {
			t.Fatal(err)
		}
		both.CloseRequest()
		both.CloseResponse()
		b.standing("v1", ring.StateUnknown, 0, 0)
		b.api.bidi.CallBidiStream(t.Context()) // and never used
		b.standing("v1", ring.StateUnknown, 0, 0)
	})
}
