package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// calls is a client like that of generated code.
type calls struct {
	unary  *connect.Client[data, data]
	server *connect.Client[count, data]
	client *connect.Client[data, count]
	bidi   *connect.Client[data, data]
}

func newCalls(h connect.HTTPClient, url string, opts ...connect.ClientOption) *calls {
	with := func(method protoreflect.Name) []connect.ClientOption {
		return append([]connect.ClientOption{connect.WithSchema(schema.Methods().ByName(method))}, opts...)
	}
	return &calls{
		unary:  connect.NewClient[data, data](h, url+"/test.Calls/Unary", with("Unary")...),
		server: connect.NewClient[count, data](h, url+"/test.Calls/Server", with("Server")...),
		client: connect.NewClient[data, count](h, url+"/test.Calls/Client", with("Client")...),
		bidi:   connect.NewClient[data, data](h, url+"/test.Calls/Bidi", with("Bidi")...),
	}
}

// kinds are the four kinds of calls. Each checks its answer.
var kinds = map[string]func(context.Context, *calls) error{
	"unary":  unary,
	"server": serverStream,
	"client": func(ctx context.Context, api *calls) error { return upload(ctx, api, 20) },
	"bidi":   func(ctx context.Context, api *calls) error { return echo(ctx, api, 6) },
}

var protocols = map[string][]connect.ClientOption{
	"connect":  nil,
	"json":     {connect.WithProtoJSON()},
	"grpc":     {connect.WithGRPC()},
	"grpc-web": {connect.WithGRPCWeb()},
}

// each runs the test for every protocol and kind of call.
func each(t *testing.T, test func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error)) {
	t.Helper()
	for p, protocol := range protocols {
		for k, call := range kinds {
			t.Run(p+"/"+k, func(t *testing.T) { test(t, protocol, call) })
		}
	}
}

// overEach runs the test for every protocol.
func overEach(t *testing.T, test func(t *testing.T, name string, protocol []connect.ClientOption)) {
	t.Helper()
	for p, protocol := range protocols {
		t.Run(p, func(t *testing.T) { test(t, p, protocol) })
	}
}

func unary(ctx context.Context, api *calls) error {
	req := connect.NewRequest(body(7))
	resp, err := api.unary.CallUnary(ctx, req)
	if len(req.Header().Values("Authorization")) > 0 {
		return errors.New("the key is in the caller's request") // F29
	}
	if err == nil && !proto.Equal(resp.Msg, body(7)) {
		err = errors.New("another answer")
	}
	return err
}

func serverStream(ctx context.Context, api *calls) error {
	in, err := api.server.CallServerStream(ctx, connect.NewRequest(wrapperspb.Int64(3)))
	if err != nil {
		return err
	}
	defer in.Close()
	n := 0
	for ; in.Receive(); n++ {
		if !proto.Equal(in.Msg(), body(n)) {
			return fmt.Errorf("message %d is another one", n)
		}
	}
	if in.Err() == nil && n != 3 {
		return fmt.Errorf("%d messages", n)
	}
	return in.Err()
}

// upload sends that many messages, all in the same object.
func upload(ctx context.Context, api *calls, messages int) error {
	out := api.client.CallClientStream(ctx)
	m := &data{}
	for n := range messages {
		m.Value = body(n).Value
		if err := out.Send(m); errors.Is(err, io.EOF) {
			break // CloseAndReceive tells
		} else if err != nil {
			return err
		}
	}
	resp, err := out.CloseAndReceive()
	if err == nil && resp.Msg.Value != int64(messages) {
		err = fmt.Errorf("%d messages arrived of %d", resp.Msg.Value, messages)
	}
	return err
}

// echo sends while it receives.
func echo(ctx context.Context, api *calls, messages int) error {
	both := api.bidi.CallBidiStream(ctx)
	defer both.CloseResponse()
	sent := make(chan error, 1)
	go func() {
		for n := range messages {
			if err := both.Send(body(n)); errors.Is(err, io.EOF) {
				break // Receive tells
			} else if err != nil {
				sent <- err
				return
			}
		}
		sent <- both.CloseRequest()
	}()
	for n := 0; ; n++ {
		m, err := both.Receive()
		switch {
		case errors.Is(err, io.EOF) && n == messages:
			return <-sent
		case err != nil:
			<-sent
			return fmt.Errorf("message %d: %w", n, err)
		case !proto.Equal(m, body(n)):
			both.CloseRequest()
			return fmt.Errorf("message %d is another one", n)
		}
	}
}
