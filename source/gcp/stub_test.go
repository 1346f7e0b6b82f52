package gcp_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

const secret = "projects/acme/secrets/key"

// A stub is Secret Manager with one secret. It has what the source uses, behind the generated
// gRPC server on loopback.
type stub struct {
	secretmanagerpb.UnimplementedSecretManagerServiceServer
	t      testing.TB
	addr   string
	server *grpc.Server
	done   chan struct{}

	mu       sync.Mutex
	exists   bool
	created  time.Time
	versions []*version
	names    []string // the names of the versions in put
	calls    map[string]int
	fault    func(context.Context) error
}

type version struct {
	state  secretmanagerpb.SecretVersion_State
	data   []byte
	sum    int64
	locked bool // the key that encrypts the version is disabled
}

func newStub(t testing.TB) *stub {
	s := &stub{t: t, addr: "127.0.0.1:0", created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), calls: make(map[string]int)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *stub) start() {
	l, err := listen.At(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.server, s.done = grpc.NewServer(), make(chan struct{})
	secretmanagerpb.RegisterSecretManagerServiceServer(s.server, s)
	go func(server *grpc.Server, done chan struct{}) {
		defer close(done)
		_ = server.Serve(l)
	}(s.server, s.done)
}

// kill closes the listener and every connection at once.
func (s *stub) kill() {
	s.server.Stop()
	<-s.done
}

func (s *stub) client() *secretmanager.Client {
	client, err := secretmanager.NewClient(context.Background(), option.WithEndpoint(s.addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// set sets the fault of every response. nil ends the fault.
func (s *stub) set(fault func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func fails(code codes.Code) func(context.Context) error {
	return func(context.Context) error { return status.Error(code, conformance.Sentinel+"message") }
}

// slow answers as usual, but later.
func slow(context.Context) error {
	<-time.After(200 * time.Millisecond)
	return nil
}

// hang is a fault in which no call is answered until its caller gives up.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// add creates a version and returns its number.
func (s *stub) add(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists = true
	s.versions = append(s.versions, &version{
		state: secretmanagerpb.SecretVersion_ENABLED, data: []byte(text), sum: int64(crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))),
	})
	return len(s.versions)
}

func (s *stub) state(n int, state secretmanagerpb.SecretVersion_State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[n-1].state = state
}

// lock disables the key that encrypts a version, or enables it again.
func (s *stub) lock(n int, locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[n-1].locked = locked
}

func (s *stub) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists, s.versions, s.names = false, nil, nil
	s.created = s.created.Add(time.Hour)
}

func (s *stub) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

// call counts a call, causes the fault, and finds the secret by its name.
func (s *stub) call(ctx context.Context, what, name string) error {
	s.mu.Lock()
	s.calls[what]++
	fault := s.fault
	found := s.exists && (name == secret || strings.HasPrefix(name, secret+"/versions/"))
	s.mu.Unlock()
	if fault != nil {
		if err := fault(ctx); err != nil {
			return err
		}
	}
	if !found {
		return status.Error(codes.NotFound, "no such secret")
	}
	return nil
}

func (s *stub) about(n int) *secretmanagerpb.SecretVersion {
	return &secretmanagerpb.SecretVersion{
		Name:       fmt.Sprint("projects/123456/secrets/key/versions/", n), // the service answers with the project's number
		CreateTime: timestamppb.New(s.created.Add(time.Duration(n) * time.Minute)),
		State:      s.versions[n-1].state,
	}
}

func (s *stub) ListSecretVersions(ctx context.Context, r *secretmanagerpb.ListSecretVersionsRequest) (*secretmanagerpb.ListSecretVersionsResponse, error) {
	if err := s.call(ctx, "list", r.GetParent()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := len(s.versions)
	if token := r.GetPageToken(); token != "" {
		from, _ = strconv.Atoi(token)
	}
	resp := &secretmanagerpb.ListSecretVersionsResponse{}
	for n := from; n > 0; n-- {
		if v := s.about(n); r.GetFilter() != "state:ENABLED" || v.GetState() == secretmanagerpb.SecretVersion_ENABLED {
			if len(resp.GetVersions()) == int(r.GetPageSize()) {
				resp.NextPageToken = strconv.Itoa(n)
				break
			}
			resp.Versions = append(resp.GetVersions(), v)
		}
	}
	return resp, nil
}

func (s *stub) AccessSecretVersion(ctx context.Context, r *secretmanagerpb.AccessSecretVersionRequest) (*secretmanagerpb.AccessSecretVersionResponse, error) {
	if err := s.call(ctx, "access", r.GetName()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := strconv.Atoi(r.GetName()[strings.LastIndexByte(r.GetName(), '/')+1:])
	if err != nil || n < 1 || n > len(s.versions) {
		return nil, status.Error(codes.NotFound, "no such version")
	}
	v := s.versions[n-1]
	if v.state != secretmanagerpb.SecretVersion_ENABLED || v.locked {
		return nil, status.Error(codes.FailedPrecondition, conformance.Sentinel+"message")
	}
	return &secretmanagerpb.AccessSecretVersionResponse{
		Name: s.about(n).GetName(), Payload: &secretmanagerpb.SecretPayload{Data: v.data, DataCrc32C: &v.sum},
	}, nil
}

// put makes these the enabled versions, newest first.
func (s *stub) put(keys ...source.Key) {
	for i := len(keys) - 1; i >= 0; i-- {
		if s.number(keys[i].Version) == 0 {
			s.add(keys[i].Secret.Expose())
			s.mu.Lock()
			s.names = append(s.names, keys[i].Version)
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	s.exists = true
	for i := range s.versions {
		s.versions[i].state = secretmanagerpb.SecretVersion_DISABLED
	}
	s.mu.Unlock()
	for _, k := range keys {
		s.state(s.number(k.Version), secretmanagerpb.SecretVersion_ENABLED)
	}
}

func (s *stub) number(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.names {
		if n == name {
			return i + 1
		}
	}
	return 0
}

func backend(s *stub, src source.Source) conformance.SourceBackend {
	return conformance.SourceBackend{
		Source: src,
		Put: func(keys ...source.Key) {
			s.set(nil)
			s.put(keys...)
		},
		Delete:  s.delete,
		Break:   s.kill,
		Repair:  func() { s.set(nil); s.kill(); s.start() },
		Hang:    func() { s.set(hang) },
		Deny:    func() { s.set(fails(codes.PermissionDenied)) },
		Restore: func() { s.set(nil) },
		Close:   func() {}, // the client is the test's
	}
}

// exampleTB lets an example, which has no testing.T, start the stub.
type exampleTB struct {
	testing.TB
	ends []func()
}

func (e *exampleTB) Cleanup(f func()) { e.ends = append(e.ends, f) }

func (e *exampleTB) Fatal(args ...any) { panic(args) }

func (e *exampleTB) end() {
	for i := range e.ends {
		e.ends[len(e.ends)-1-i]()
	}
}
