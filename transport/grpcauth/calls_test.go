package grpcauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

// kinds are the four kinds of calls. Each checks its answer.
var kinds = map[string]func(context.Context, pb.TestServiceClient, ...grpc.CallOption) error{
	"unary":  unary,
	"server": serverStream,
	"client": clientStream,
	"bidi":   bidi,
}

func body(n int) *pb.Payload { return &pb.Payload{Body: bytes.Repeat([]byte{byte(n)}, 100)} }

func unary(ctx context.Context, api pb.TestServiceClient, opts ...grpc.CallOption) error {
	resp, err := api.UnaryCall(ctx, &pb.SimpleRequest{Payload: body(7)}, opts...)
	if err == nil && !bytes.Equal(resp.Payload.Body, body(7).Body) {
		err = errors.New("another answer")
	}
	return err
}

func serverStream(ctx context.Context, api pb.TestServiceClient, opts ...grpc.CallOption) error {
	in, err := api.StreamingOutputCall(ctx, sizes(1, 2, 3), opts...)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		resp, err := in.Recv()
		switch {
		case err == io.EOF && n == 4:
			return nil
		case err != nil:
			return fmt.Errorf("message %d: %w", n, err)
		case len(resp.Payload.Body) != n:
			return fmt.Errorf("message %d has %d bytes", n, len(resp.Payload.Body))
		}
	}
}

func sizes(sizes ...int32) *pb.StreamingOutputCallRequest {
	req := &pb.StreamingOutputCallRequest{}
	for _, n := range sizes {
		req.ResponseParameters = append(req.ResponseParameters, &pb.ResponseParameters{Size: n})
	}
	return req
}

func clientStream(ctx context.Context, api pb.TestServiceClient, opts ...grpc.CallOption) error {
	return upload(ctx, api, 20, opts...)
}

// upload sends that many messages, all in the same object.
func upload(ctx context.Context, api pb.TestServiceClient, messages int, opts ...grpc.CallOption) error {
	out, err := api.StreamingInputCall(ctx, opts...)
	if err != nil {
		return err
	}
	req := &pb.StreamingInputCallRequest{}
	for n := range messages {
		req.Payload = body(n)
		if err := out.Send(req); err == io.EOF {
			break // CloseAndRecv tells
		} else if err != nil {
			return err
		}
	}
	resp, err := out.CloseAndRecv()
	if err == nil && resp.AggregatedPayloadSize != int32(100*messages) {
		err = fmt.Errorf("%d bytes arrived of %d messages", resp.AggregatedPayloadSize, messages)
	}
	return err
}

func bidi(ctx context.Context, api pb.TestServiceClient, opts ...grpc.CallOption) error {
	return echo(ctx, api, 20, opts...)
}

// echo sends while it receives.
func echo(ctx context.Context, api pb.TestServiceClient, messages int, opts ...grpc.CallOption) error {
	both, err := api.FullDuplexCall(ctx, opts...)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		for n := range messages {
			if err := both.Send(&pb.StreamingOutputCallRequest{Payload: body(n)}); err == io.EOF {
				break // Recv tells
			} else if err != nil {
				sent <- err
				return
			}
		}
		sent <- both.CloseSend()
	}()
	for n := 0; ; n++ {
		resp, err := both.Recv()
		switch {
		case err == io.EOF && n == messages:
			return <-sent
		case err != nil:
			<-sent
			return fmt.Errorf("message %d: %w", n, err)
		case !bytes.Equal(resp.Payload.Body, body(n).Body):
			<-sent
			return fmt.Errorf("message %d is another one", n)
		}
	}
}
