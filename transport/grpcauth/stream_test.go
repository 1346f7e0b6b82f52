package grpcauth_test

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
)

// A long upload is refused before the server has read any of it. gRPC's flow control
// holds it back, and all of it arrives with the other key. If headers come before the
// refusal, only receiving can tell the refusal from a message, and the upload is too
// long to be kept until then.
//
// F118, F115
func TestLongUploadFallsBackWhenRefusedEarly(t *testing.T) {
	b := setup(t, []string{"v2", "v1"})
	b.Accept("v1")
	if err := upload(t.Context(), b.api, 20000); err != nil {
		t.Fatal(err)
	}
	b.WantSeen(t, "v2", "v1")

	b = setup(t, []string{"v2", "v1"})
	b.Accept("v1")
	b.early = true
	if err := upload(t.Context(), b.api, 20000); status.Code(err) != codes.Unauthenticated {
		t.Fatalf("%v, want Unauthenticated", err)
	}
	b.standing("v2", ring.StateRefused, 0, 1)
	if err := upload(t.Context(), b.api, 20000); err != nil {
		t.Fatal(err)
	}
	b.WantSeen(t, "v2", "v1")
}

// If a server reads more than is kept before it refuses, the caller gets the refusal,
// the ring learns of it, and the next call gets the other key.
//
// F118
func TestBeyondTheBoundTheRefusalGoesToTheCaller(t *testing.T) {
	for name, opt := range map[string]grpcauth.Option{
		"messages": grpcauth.WithReplay(10, 1<<20),
		"bytes":    grpcauth.WithReplay(1000, 1000),
		"nothing":  grpcauth.WithReplay(0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v2", "v1"}, opt)
			b.Accept("v1")
			b.late = 11
			for _, call := range []func(context.Context, pb.TestServiceClient) error{
				func(ctx context.Context, api pb.TestServiceClient) error { return upload(ctx, api, 12) },
				func(ctx context.Context, api pb.TestServiceClient) error { return echo(ctx, api, 12) },
			} {
				b.Set(func() { b.Seen = nil })
				if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
					t.Errorf("%v, want Unauthenticated", err)
				}
				b.WantSeen(t, "v2")
				b.standing("v2", ring.StateRefused, 0, 1)
				if err := call(t.Context(), b.api); err != nil {
					t.Error(err)
				}
				b.WantSeen(t, "v2", "v1")
				b.ring.Close()
				b.ring = b.store.Keep(t)
				b.rewire(opt)
			}
		})
	}
}

// Kept messages are sent again while the client receives. Otherwise a server that stops
// reading until its answers are read would wait forever.
//
// F118
func TestReplayDoesNotWaitForTheAnswers(t *testing.T) {
	b := setup(t, []string{"v2", "v1"}, grpcauth.WithReplay(5000, 1<<20))
	b.Accept("v1")
	b.late = 3000
	if err := echo(t.Context(), b.api, 5000); err != nil {
		t.Fatal(err)
	}
	b.WantSeen(t, "v2", "v1")
}

// After its first message a stream is not made again, however it ends.
//
// F118
func TestRefusalAfterTheFirstMessageGoesToTheCaller(t *testing.T) {
	b := setup(t, []string{"v2", "v1"})
	in, err := b.api.StreamingOutputCall(t.Context(), sizes(1, 2, -1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := in.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("%v, want Unauthenticated", err)
	}
	b.WantSeen(t, "v2")
	b.standing("v2", ring.StateAccepted, 1, 0)
}

// Headers are not an acceptance. The first message is, long before the end.
//
// F118
func TestHeadersAreNoAcceptance(t *testing.T) {
	b := setup(t, []string{"v1"})
	gate := make(chan struct{})
	b.gate = func(string) { <-gate }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	both, err := b.api.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	close(gate)
	if err := both.Send(&pb.StreamingOutputCallRequest{Payload: body(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Header(); err != nil { // the server sends them with its first message
		t.Fatal(err)
	}
	if v := b.ring.Status().Current; v.Accepted != 0 || v.InFlight != 1 {
		t.Errorf("with the headers: accepted %d, in flight %d", v.Accepted, v.InFlight)
	}
	if _, err := both.Recv(); err != nil {
		t.Fatal(err)
	}
	b.standing("v1", ring.StateAccepted, 1, 0)
}

// Header, Trailer and OnFinish report the last attempt. The caller's own options apply
// to each attempt.
//
// F118
func TestHeaderTrailerAndOnFinish(t *testing.T) {
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v2", "v1"})
			b.Accept("v1")
			b.refuse = func(ctx context.Context) error {
				grpc.SetTrailer(ctx, metadata.Pairs("refused", "1"))
				return status.Error(codes.Unauthenticated, "bad key")
			}
			var finished atomic.Int64
			var trailer metadata.MD
			err := call(t.Context(), b.api, grpc.Trailer(&trailer), grpc.OnFinish(func(err error) {
				if finished.Add(1); err != nil {
					t.Errorf("finished with %v", err)
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			if finished.Load() != 1 {
				t.Errorf("OnFinish was called %d times", finished.Load())
			}
			if len(trailer["refused"]) > 0 {
				t.Error("the trailer is the refusal's")
			}
		})
	}
	b := setup(t, []string{"v2", "v1"})
	b.Accept("v1")
	in, err := b.api.StreamingOutputCall(t.Context(), sizes(1))
	if err != nil {
		t.Fatal(err)
	}
	if md, err := in.Header(); err != nil || md == nil {
		t.Errorf("headers %v, %v", md, err)
	}
	for {
		if _, err := in.Recv(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if md := in.Trailer(); len(md["refused"]) > 0 || len(md["served"]) == 0 {
		t.Errorf("trailer %v", md)
	}
	b.WantSeen(t, "v2", "v1")
}

// If the second attempt of a stream cannot be opened, the caller gets the error, and it
// says nothing about the key.
func TestSecondAttemptFailsToOpen(t *testing.T) {
	for name, call := range kinds {
		if name == "unary" {
			continue
		}
		b := setup(t, []string{"v2", "v1"})
		b.Accept("v1")
		opened := 0
		b.rewireWith(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
			next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			if opened++; opened == 2 {
				return nil, status.Error(codes.Unauthenticated, "not today") // not from the server
			}
			return next(ctx, desc, cc, method, opts...)
		}))
		var finished atomic.Int64
		err := call(t.Context(), b.api, grpc.OnFinish(func(error) { finished.Add(1) }))
		if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "not today") {
			t.Errorf("%s: %v", name, err)
		}
		if finished.Load() != 1 {
			t.Errorf("%s: OnFinish was called %d times", name, finished.Load())
		}
		b.WantSeen(t, "v2")
		for _, v := range b.ring.Status().Versions {
			if v.InFlight != 0 || v.Version == "v1" && (v.Refused != 0 || v.Accepted != 0) {
				t.Errorf("%s: %s: in flight %d, refused %d, accepted %d", name, v.Version, v.InFlight, v.Refused, v.Accepted)
			}
		}
	}
}

// OnFinish is called once for a refusal too.
func TestOnFinishOfARefusedCall(t *testing.T) {
	for name, call := range kinds {
		b := setup(t, []string{"v1"})
		b.reopen(ring.WithRefusalWait(0))
		b.Accept()
		var finished atomic.Int64
		err := call(t.Context(), b.api, grpc.OnFinish(func(err error) {
			if finished.Add(1); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: finished with %v", name, err)
			}
		}))
		if status.Code(err) != codes.Unauthenticated || finished.Load() != 1 {
			t.Errorf("%s: %v; OnFinish was called %d times", name, err, finished.Load())
		}
	}
}

// If the caller has called Context, a stream is not made again, like gRPC's own
// retries.
func TestContextEndsTheFallingBack(t *testing.T) {
	b := setup(t, []string{"v2", "v1"})
	b.Accept("v1")
	in, err := b.api.StreamingOutputCall(t.Context(), sizes(1))
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Context()
	if _, err := in.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("%v, want Unauthenticated", err)
	}
	b.standing("v2", ring.StateRefused, 0, 1)
}

// gRPC's own retries happen below, with the key of their attempt.
//
// F118
func TestServiceConfigRetries(t *testing.T) {
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v2", "v1"})
			b.Accept("v1")
			var calls atomic.Int64
			b.answer = func() error {
				if n := calls.Add(1); n <= 2 {
					return status.Error(codes.Unavailable, "busy "+strconv.FormatInt(n, 10))
				}
				return nil
			}
			b.rewireWith(grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,
				"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`))
			if err := call(t.Context(), b.api); err != nil {
				t.Fatal(err)
			}
			b.WantSeen(t, "v2", "v1", "v1", "v1")
			b.standing("v1", ring.StateAccepted, 1, 0)
		})
	}
}

// raw is a codec for messages that are not protobuf messages.
type raw struct{}

func (raw) Name() string                       { return "proto" }
func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }

// If a message cannot be copied, the caller gets the refusal. A stream on which nothing
// was sent is made again.
//
// F118, F115
func TestOtherMessagesAreNotSentAgain(t *testing.T) {
	b := setup(t, []string{"v2", "v1"})
	b.Accept("v1")
	open := func() grpc.ClientStream {
		desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
		stream, err := b.conn.NewStream(t.Context(), desc, "/grpc.testing.TestService/FullDuplexCall", grpc.ForceCodec(raw{}))
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	message, answer := []byte{}, []byte{}
	stream := open()
	if err := stream.SendMsg(&message); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&answer); status.Code(err) != codes.Unauthenticated {
		t.Errorf("%v, want Unauthenticated", err)
	}
	b.WantSeen(t, "v2")
	b.standing("v2", ring.StateRefused, 0, 1)

	b.reopen()
	stream = open()
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&answer); err != io.EOF {
		t.Errorf("%v, want EOF", err)
	}
	b.WantSeen(t, "v2", "v2", "v1")
}
