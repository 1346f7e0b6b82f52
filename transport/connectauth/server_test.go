package connectauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

const sentinel = "rksentinel_"

type (
	data  = wrapperspb.BytesValue
	count = wrapperspb.Int64Value
)

// schema describes the test service, as generated code would.
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

// server is a real server whose interceptor, or whose HTTP handler, checks the key.
type server struct {
	*httptest.Server

	mu       sync.Mutex
	accepted []string
	seen     []string // versions, one for each call that arrived
	refused  int
	served   map[string]int
	refuse   func(http.Header) error // what a refusal is; nil: CodeUnauthenticated
	answer   func() error            // of the application; nil: OK
	byHTTP   bool                    // a refusal is a status of 401
	late     int                     // so many messages are read ahead of a refusal
	enough   int                     // so many messages of an upload are read, if not 0
	redirect string                  // where every call is sent to, by 307
}

// serve starts one over HTTP/2 and HTTP/1.1, with TLS or without.
func serve(tls bool, versions ...string) *server {
	s := &server{accepted: versions, served: make(map[string]int)}
	mux := http.NewServeMux()
	opts := []connect.HandlerOption{connect.WithInterceptors(s)}
	mux.Handle("/test.Calls/Unary", connect.NewUnaryHandler("/test.Calls/Unary", s.unary,
		append(opts, connect.WithIdempotency(connect.IdempotencyNoSideEffects))...))
	mux.Handle("/test.Calls/Server", connect.NewServerStreamHandler("/test.Calls/Server", s.server, opts...))
	mux.Handle("/test.Calls/Client", connect.NewClientStreamHandler("/test.Calls/Client", s.client, opts...))
	mux.Handle("/test.Calls/Bidi", connect.NewBidiStreamHandler("/test.Calls/Bidi", s.bidi, opts...))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		byHTTP, redirect := s.byHTTP, s.redirect
		s.mu.Unlock()
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

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) accept(versions ...string) { s.set(func() { s.accepted = versions }) }

// check looks at the key.
func (s *server) check(header http.Header) error {
	version := strings.TrimPrefix(strings.Join(header.Values("Authorization"), ","), "Bearer "+sentinel)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, version)
	if slices.Contains(s.accepted, version) {
		s.served[version]++
		if s.answer != nil {
			return s.answer()
		}
		return nil
	}
	s.refused++
	if s.refuse != nil {
		return s.refuse(header)
	}
	return connect.NewError(connect.CodeUnauthenticated, errors.New("bad key"))
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

func (s *server) wantSeen(t *testing.T, versions ...string) {
	t.Helper()
	s.set(func() {
		if !slices.Equal(s.seen, versions) {
			t.Errorf("the server saw %q, want %q", s.seen, versions)
		}
	})
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
	store *store
	ring  *ring.Ring
	http  *http.Transport
	proto []connect.ClientOption
	api   *calls
}

// setup starts a server, which accepts all of the source's versions until it is
// told others, and a client over HTTP/2.
func setup(t *testing.T, protocol []connect.ClientOption, listed []string, opts ...connectauth.Option) *bench {
	t.Helper()
	b := &bench{t: t, server: serve(true, listed...), store: &store{}, proto: protocol}
	t.Cleanup(b.Close)
	b.store.put(listed...)
	b.ring = keep(t, b.store)
	b.http = b.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(b.http.CloseIdleConnections)
	b.rewire(opts...)
	return b
}

// rewire makes the client anew, with b's ring and transport.
func (b *bench) rewire(opts ...connectauth.Option) {
	auth := connectauth.New(b.ring, opts...)
	b.api = newCalls(&http.Client{Transport: auth.Transport(b.http)}, b.URL, append(b.proto, connect.WithInterceptors(auth))...)
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

// reopen gives b a new ring, and a client of it.
func (b *bench) reopen(opts ...ring.Option) {
	b.t.Helper()
	b.ring.Close()
	b.ring = keep(b.t, b.store, opts...)
	b.rewire()
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
