package connectauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

type (
	data  = wrapperspb.BytesValue
	count = wrapperspb.Int64Value
)

// schema describes the test service like generated code.
var schema = func() protoreflect.ServiceDescriptor {
	method := func(name, in, out string, client, server bool) *descriptorpb.MethodDescriptorProto {
		in, out = ".google.protobuf."+in, ".google.protobuf."+out
		return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: &in, OutputType: &out, ClientStreaming: &client, ServerStreaming: &server}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("calls.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Calls"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Unary", "BytesValue", "BytesValue", false, false),
			method("Server", "Int64Value", "BytesValue", false, true),
			method("Client", "BytesValue", "Int64Value", true, false),
			method("Bidi", "BytesValue", "BytesValue", true, true),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return file.Services().Get(0)
}()

// server is a real server whose interceptor, or whose HTTP handler, checks the key.
type server struct {
	*httptest.Server

	drill.Checker                         // guards the fields below
	refuse        func(http.Header) error // what a refusal is; nil: CodeUnauthenticated
	answer        func() error            // the application's result; nil: OK
	byHTTP        bool                    // a refusal is a status of 401
	late          int                     // how many messages are read before a refusal
	enough        int                     // how many messages of an upload are read; 0: all
	redirect      string                  // where every call is sent to, by 307
}

// serve starts a server over HTTP/2 and HTTP/1.1, with TLS or without.
func serve(tls bool, versions ...string) *server {
	s := &server{}
	s.Accept(versions...)
	mux := http.NewServeMux()
	opts := []connect.HandlerOption{connect.WithInterceptors(s)}
	mux.Handle("/test.Calls/Unary", connect.NewUnaryHandler("/test.Calls/Unary", s.unary,
		append(opts, connect.WithIdempotency(connect.IdempotencyNoSideEffects))...))
	mux.Handle("/test.Calls/Server", connect.NewServerStreamHandler("/test.Calls/Server", s.server, opts...))
	mux.Handle("/test.Calls/Client", connect.NewClientStreamHandler("/test.Calls/Client", s.client, opts...))
	mux.Handle("/test.Calls/Bidi", connect.NewBidiStreamHandler("/test.Calls/Bidi", s.bidi, opts...))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var byHTTP bool
		var redirect string
		s.Set(func() { byHTTP, redirect = s.byHTTP, s.redirect })
		if redirect != "" {
			http.Redirect(w, r, redirect+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		if byHTTP && s.check(r.Header) != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// check checks the key of a request.
func (s *server) check(header http.Header) error {
	version := strings.TrimPrefix(strings.Join(header.Values("Authorization"), ","), "Bearer "+drill.Sentinel)
	ok := s.Check(version)
	var err error
	s.Set(func() {
		switch {
		case ok && s.answer != nil:
			err = s.answer()
		case ok:
		case s.refuse != nil:
			err = s.refuse(header)
		default:
			err = connect.NewError(connect.CodeUnauthenticated, errors.New("bad key"))
		}
	})
	return err
}

func (s *server) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if !s.byHTTP {
			if err := s.check(req.Header()); err != nil {
				return nil, err
			}
		}
		return next(ctx, req)
	}
}

func (s *server) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (s *server) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if !s.byHTTP {
			if err := s.check(conn.RequestHeader()); err != nil {
				for range s.late {
					if err := conn.Receive(&data{}); err != nil {
						return err
					}
				}
				return err
			}
		}
		return next(ctx, conn)
	}
}

func (s *server) unary(_ context.Context, req *connect.Request[data]) (*connect.Response[data], error) {
	return connect.NewResponse(req.Msg), nil
}

// server sends so many messages; if fewer than none, one, and then an end as of a
// refusal.
func (s *server) server(_ context.Context, req *connect.Request[count], out *connect.ServerStream[data]) error {
	for n := range max(req.Msg.Value, 1) {
		if err := out.Send(body(int(n))); err != nil {
			return err
		}
	}
	if req.Msg.Value < 0 {
		return connect.NewError(connect.CodeUnauthenticated, errors.New("no longer"))
	}
	return nil
}

func (s *server) client(_ context.Context, in *connect.ClientStream[data]) (*connect.Response[count], error) {
	n := 0
	for ; (s.enough == 0 || n < s.enough) && in.Receive(); n++ {
		if !proto.Equal(in.Msg(), body(n)) {
			return nil, connect.NewError(connect.CodeDataLoss, errors.New("a message is not in its place"))
		}
	}
	return connect.NewResponse(wrapperspb.Int64(int64(n))), in.Err()
}

func (s *server) bidi(_ context.Context, both *connect.BidiStream[data, data]) error {
	for {
		m, err := both.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := both.Send(m); err != nil {
			return err
		}
	}
}

func body(n int) *data { return wrapperspb.Bytes(bytes.Repeat([]byte{byte(n)}, 100)) }

// bench is a server and a client with a ring.
type bench struct {
	*server
	t     *testing.T
	store *drill.Store
	ring  *ring.Ring
	http  *http.Transport
	proto []connect.ClientOption
	api   *calls
}

// setup starts a client over HTTP/2 and a server. The server accepts all of the
// source's versions until the test changes that.
func setup(t *testing.T, protocol []connect.ClientOption, listed []string, opts ...connectauth.Option) *bench {
	t.Helper()
	b := &bench{t: t, server: serve(true, listed...), store: drill.NewStore(drill.Keys(listed...)...), proto: protocol}
	t.Cleanup(b.Close)
	b.ring = b.store.Keep(t)
	b.http = b.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(b.http.CloseIdleConnections)
	b.rewire(opts...)
	return b
}

// rewire makes a new client with the ring of b.
func (b *bench) rewire(opts ...connectauth.Option) {
	auth := connectauth.New(b.ring, append(opts, connectauth.WithOrigin(b.URL))...)
	b.api = newCalls(&http.Client{Transport: auth.Transport(b.http)}, b.URL, append(b.proto, connect.WithInterceptors(auth))...)
}

// reopen gives b a new ring and a client with it.
func (b *bench) reopen(opts ...ring.Option) {
	b.t.Helper()
	b.ring.Close()
	b.ring = b.store.Keep(b.t, opts...)
	b.rewire()
}

// standing checks a version's state and counts.
func (b *bench) standing(version string, state ring.State, accepted, refused uint64) {
	b.t.Helper()
	drill.Standing(b.t, b.ring, version, state, accepted, refused)
}

// until waits for an event at the server or in the ring.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	b.Until(b.t, what, ok)
}

// fallback is one kind of call, for package drill.
func (b *bench) fallback(call func(context.Context, *calls) error) drill.Fallback {
	return drill.Fallback{Checker: &b.Checker, Store: b.store, Ring: b.ring,
		Call: func() error { return call(b.t.Context(), b.api) },
		Is:   func(err error) bool { return connect.CodeOf(err) == connect.CodeUnauthenticated }}
}
