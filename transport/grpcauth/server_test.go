package grpcauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// server is a real gRPC server whose interceptors check the key.
type server struct {
	pb.UnimplementedTestServiceServer
	addr  string
	roots *x509.CertPool
	stop  func()

	drill.Checker                             // guards the fields below
	refuse        func(context.Context) error // what a refusal is; nil: Unauthenticated
	early         bool                        // headers are sent before a refusal
	late          int                         // how many messages are read before a refusal; set before the first call
	answer        func() error                // the application's result; nil: OK
	gate          func(version string)        // called with each version that was accepted
}

// serve starts a server over TLS or in plaintext.
func serve(t testing.TB, plain bool, versions ...string) *server {
	t.Helper()
	s := start(plain, versions...)
	t.Cleanup(s.stop)
	return s
}

func start(plain bool, versions ...string) *server {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &server{addr: lis.Addr().String(), roots: x509.NewCertPool()}
	s.Accept(versions...)
	opts := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := s.check(ctx, func() { grpc.SendHeader(ctx, metadata.Pairs("early", "1")) }); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := s.check(ss.Context(), func() { ss.SendHeader(metadata.Pairs("early", "1")) }); err != nil {
				for range s.late {
					if err := ss.RecvMsg(&pb.StreamingInputCallRequest{}); err != nil {
						return err
					}
				}
				return err
			}
			return next(srv, ss)
		}),
	}
	if !plain {
		certified := httptest.NewTLSServer(nil) // for its certificate
		s.roots.AddCert(certified.Certificate())
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: certified.TLS.Certificates})))
		certified.Close()
	}
	srv := grpc.NewServer(opts...)
	pb.RegisterTestServiceServer(srv, s)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(lis) }()
	s.stop = func() { srv.Stop(); <-done }
	return s
}

// check is the key check of the interceptors.
func (s *server) check(ctx context.Context, headers func()) error {
	md, _ := metadata.FromIncomingContext(ctx)
	version := strings.Join(md["authorization"], ",")
	version = strings.TrimPrefix(version, "Bearer "+drill.Sentinel)
	ok := s.Check(version)
	var early bool
	var refuse func(context.Context) error
	var answer func() error
	var gate func(string)
	s.Set(func() { early, refuse, answer, gate = s.early, s.refuse, s.answer, s.gate })
	switch {
	case ok && gate != nil:
		gate(version)
	case !ok && early:
		headers()
	}
	switch {
	case ok && answer != nil:
		return answer()
	case ok:
		return nil
	case refuse != nil:
		return refuse(ctx)
	}
	return status.Error(codes.Unauthenticated, "bad key")
}

func (s *server) UnaryCall(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: req.Payload}, nil
}

func (s *server) StreamingOutputCall(req *pb.StreamingOutputCallRequest, out pb.TestService_StreamingOutputCallServer) error {
	out.SetTrailer(metadata.Pairs("served", "1"))
	for _, p := range req.ResponseParameters {
		if p.Size < 0 { // an end in the middle of the stream
			return status.Error(codes.Unauthenticated, "no longer")
		}
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.Size)}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) StreamingInputCall(in pb.TestService_StreamingInputCallServer) error {
	var sum int32
	for n := int32(0); ; n++ {
		req, err := in.Recv()
		if err == io.EOF {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: sum})
		}
		if err != nil {
			return err
		}
		if b := req.Payload.GetBody(); len(b) > 0 && b[0] != byte(n) {
			return status.Errorf(codes.DataLoss, "message %d is not in its place", n)
		}
		sum += int32(len(req.Payload.GetBody()))
	}
}

func (s *server) FullDuplexCall(both pb.TestService_FullDuplexCallServer) error {
	for {
		req, err := both.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := both.Send(&pb.StreamingOutputCallResponse{Payload: req.Payload}); err != nil {
			return err
		}
	}
}

// bench is a server and a client with a ring.
type bench struct {
	*server
	t     *testing.T
	store *drill.Store
	ring  *ring.Ring
	conn  *grpc.ClientConn
	api   pb.TestServiceClient
}

// setup starts a client and a server. The server accepts all of the source's versions
// until the test changes that.
func setup(t *testing.T, listed []string, opts ...grpcauth.Option) *bench {
	t.Helper()
	b := &bench{t: t, server: serve(t, false, listed...), store: drill.NewStore(drill.Keys(listed...)...)}
	b.ring = b.store.Keep(t)
	b.rewire(opts...)
	return b
}

// rewire makes a new client with the ring of b.
func (b *bench) rewire(opts ...grpcauth.Option) { b.t.Helper(); b.rewireWith(nil, opts...) }

// rewireWith is rewire with one more option for the connection.
func (b *bench) rewireWith(more grpc.DialOption, opts ...grpcauth.Option) {
	b.t.Helper()
	if more == nil {
		more = grpc.EmptyDialOption{}
	}
	b.conn = b.dial(b.addr, grpcauth.New(b.ring, append(opts, grpcauth.WithTarget(b.addr))...), credentials.NewClientTLSFromCert(b.roots, ""), more)
	b.api = pb.NewTestServiceClient(b.conn)
}

func (b *bench) dial(addr string, auth *grpcauth.Auth, creds credentials.TransportCredentials, more ...grpc.DialOption) *grpc.ClientConn {
	b.t.Helper()
	conn, err := grpc.NewClient(addr, slices.Concat(auth.DialOptions(), more, []grpc.DialOption{grpc.WithTransportCredentials(creds)})...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
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
func (b *bench) fallback(call func(context.Context, pb.TestServiceClient, ...grpc.CallOption) error) drill.Fallback {
	return drill.Fallback{Checker: &b.Checker, Store: b.store, Ring: b.ring,
		Call: func() error { return call(b.t.Context(), b.api) },
		Is:   func(err error) bool { return status.Code(err) == codes.Unauthenticated }}
}
