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
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/grpcauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

const sentinel = "rksentinel_"

// store is a source under the test's control.
type store struct {
	mu  sync.Mutex
	set source.Set
}

func (s *store) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, nil
}

func (s *store) put(versions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = source.Set{Complete: true}
	for _, v := range versions {
		s.set.Keys = append(s.set.Keys, source.Key{Version: v, Secret: source.NewSecret(sentinel + v)})
	}
}

// server is a real gRPC server whose interceptors check the key.
type server struct {
	pb.UnimplementedTestServiceServer
	addr  string
	roots *x509.CertPool
	stop  func()

	mu       sync.Mutex
	accepted []string
	seen     []string                    // versions, one for each call that arrived
	refuse   func(context.Context) error // what a refusal is; nil: Unauthenticated
	early    bool                        // headers go out ahead of a refusal
	late     int                         // so many messages are read ahead of a refusal; set before the first call
	answer   func() error                // of the application; nil: OK
	gate     func(version string)        // called with each version that was accepted
	refused  int
	served   map[string]int
}

// serve starts one over TLS, or in plaintext.
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
	s := &server{addr: lis.Addr().String(), accepted: versions, roots: x509.NewCertPool(), served: make(map[string]int)}
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

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) accept(versions ...string) { s.set(func() { s.accepted = versions }) }

// check is what the interceptors do.
func (s *server) check(ctx context.Context, headers func()) error {
	md, _ := metadata.FromIncomingContext(ctx)
	version := strings.Join(md["authorization"], ",")
	version = strings.TrimPrefix(version, "Bearer "+sentinel)
	s.mu.Lock()
	s.seen = append(s.seen, version)
	ok, early, refuse, answer, gate := slices.Contains(s.accepted, version), s.early, s.refuse, s.answer, s.gate
	if !ok {
		s.refused++
	} else {
		s.served[version]++
	}
	s.mu.Unlock()
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

func (s *server) wantSeen(t *testing.T, versions ...string) {
	t.Helper()
	s.set(func() {
		if !slices.Equal(s.seen, versions) {
			t.Errorf("the server saw %q, want %q", s.seen, versions)
		}
	})
}

func (s *server) UnaryCall(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: req.Payload}, nil
}

func (s *server) StreamingOutputCall(req *pb.StreamingOutputCallRequest, out pb.TestService_StreamingOutputCallServer) error {
	out.SetTrailer(metadata.Pairs("served", "1"))
	for _, p := range req.ResponseParameters {
		if p.Size < 0 { // an end amid the stream
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
	store *store
	ring  *ring.Ring
	conn  *grpc.ClientConn
	api   pb.TestServiceClient
}

// setup starts a server, which accepts all of the source's versions until it is
// told others, and a client.
func setup(t *testing.T, listed []string, opts ...grpcauth.Option) *bench {
	t.Helper()
	b := &bench{t: t, server: serve(t, false, listed...), store: &store{}}
	b.store.put(listed...)
	b.ring = keep(t, b.store)
	b.rewire(opts...)
	return b
}

// rewire makes the client anew, with b's ring.
func (b *bench) rewire(opts ...grpcauth.Option) { b.t.Helper(); b.rewireWith(nil, opts...) }

// rewireWith does so with one more option for the connection.
func (b *bench) rewireWith(more grpc.DialOption, opts ...grpcauth.Option) {
	b.t.Helper()
	if more == nil {
		more = grpc.EmptyDialOption{}
	}
	b.conn = b.dial(b.addr, grpcauth.New(b.ring, opts...), credentials.NewClientTLSFromCert(b.roots, ""), more)
	b.api = pb.NewTestServiceClient(b.conn)
}

func keep(t testing.TB, s source.Source, opts ...ring.Option) *ring.Ring {
	t.Helper()
	keys, err := ring.Keep(t.Context(), s, append([]ring.Option{ring.WithLogger(nil), ring.WithPoll(time.Hour)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	return keys
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

// refresh lists other versions at the source, and has the ring read them.
func (b *bench) refresh(versions ...string) {
	b.t.Helper()
	b.store.put(versions...)
	if err := b.ring.Refresh(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// standing checks how a version stands: its state, and how often it was accepted,
// refused, and is still out.
func (b *bench) standing(version string, state ring.State, accepted, refused uint64) {
	b.t.Helper()
	for _, v := range b.ring.Status().Versions {
		if v.Version == version {
			if v.State != state || v.Accepted != accepted || v.Refused != refused || v.InFlight != 0 {
				b.t.Errorf("%s is %s: accepted %d, refused %d, in flight %d; want %s, %d, %d, 0",
					version, v.State, v.Accepted, v.Refused, v.InFlight, state, accepted, refused)
			}
			return
		}
	}
	b.t.Errorf("no version %s", version)
}

// until waits for what the server or the ring must come to see.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		var done bool
		b.set(func() { done = ok() })
		if done {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s", what)
		}
	}
}
