package aws_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// A stub is Secrets Manager with one secret. It has what the source uses: the protocol
// awsJson1.1, versions, stages, deletion and the documented errors.
type stub struct {
	t      testing.TB
	addr   string
	server *httptest.Server
	http   *http.Transport

	mu       sync.Mutex
	exists   bool
	deleting bool
	created  time.Time
	versions map[string]secretVersion
	stages   map[string]string // stage to version
	calls    map[string]int
	answer   func(w http.ResponseWriter) bool // if not nil, a fault; if it returns false, the stub answers as usual
	held     chan struct{}                    // calls that hang wait for this
}

type secretVersion struct {
	text    string
	binary  []byte
	created time.Time
}

func newStub(t testing.TB) *stub {
	s := &stub{
		t: t, http: &http.Transport{}, created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		versions: make(map[string]secretVersion), stages: make(map[string]string), calls: make(map[string]int),
	}
	s.addr = "127.0.0.1:0"
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *stub) stop() {
	s.kill()
	s.http.CloseIdleConnections()
}

// start starts the server. After kill it has the same port.
func (s *stub) start() {
	l, err := listen.At(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	s.server.Start()
}

func (s *stub) kill() {
	s.release()
	s.server.CloseClientConnections()
	s.server.Close()
}

func (s *stub) client() *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: "eu-central-1", BaseEndpoint: awssdk.String("http://" + s.addr), HTTPClient: &http.Client{Transport: s.http},
		Credentials: awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: conformance.Sentinel + "own"}, nil
		}),
	})
}

// set sets the fault of every response. nil ends the fault.
func (s *stub) set(answer func(http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// refuse answers every call with an error of the service.
func (s *stub) refuse(status int, code string) {
	s.set(func(w http.ResponseWriter) bool { refuse(w, status, code); return true })
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": conformance.Sentinel + "message"})
}

// put creates the versions and moves the stages, as PutSecretValue and
// UpdateSecretVersionStage do. For an empty version it removes the stage.
func (s *stub) put(stage, version, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists, s.deleting = true, false
	if version == "" {
		delete(s.stages, stage)
		return
	}
	if _, ok := s.versions[version]; !ok {
		s.versions[version] = secretVersion{text: text, created: s.created.Add(time.Duration(len(s.versions)) * time.Hour)}
	}
	s.stages[stage] = version
}

// rotate makes a version current, and the current one previous.
func (s *stub) rotate(version, text string) {
	s.mu.Lock()
	before := s.stages["AWSCURRENT"]
	s.mu.Unlock()
	s.put("AWSCURRENT", version, text)
	if before != "" && before != version {
		s.put("AWSPREVIOUS", before, "")
	}
}

func (s *stub) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleting = true
}

func (s *stub) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	s.calls[call]++
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w) {
		return
	}
	var in struct{ SecretId, VersionId string }
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") ||
		r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(w, 400, "IncompleteSignature")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, found := s.versions[in.VersionId]
	var out map[string]any
	switch {
	case !s.exists || in.SecretId != "prod/key":
		refuse(w, 400, "ResourceNotFoundException")
		return
	case call == "DescribeSecret":
		stages := make(map[string][]string)
		for version := range s.versions {
			for stage, at := range s.stages {
				if at == version {
					stages[version] = append(stages[version], stage)
				}
			}
		}
		out = map[string]any{"Name": in.SecretId, "CreatedDate": seconds(s.created), "VersionIdsToStages": stages}
		if s.deleting {
			out["DeletedDate"] = seconds(s.created)
		}
	case call == "GetSecretValue" && s.deleting:
		refuse(w, 400, "InvalidRequestException")
		return
	case call == "GetSecretValue" && !found:
		refuse(w, 400, "ResourceNotFoundException")
		return
	case call == "GetSecretValue":
		out = map[string]any{"VersionId": in.VersionId, "CreatedDate": seconds(v.created), "SecretString": v.text}
		if v.binary != nil {
			delete(out, "SecretString")
			out["SecretBinary"] = v.binary
		}
	default:
		refuse(w, 400, "InvalidAction")
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// reset breaks the connection in the middle of a response.
func reset(w http.ResponseWriter) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"Name":"`))
	_ = http.NewResponseController(w).Flush()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return true
}

// slow answers as usual, but later.
func slow(http.ResponseWriter) bool {
	<-time.After(200 * time.Millisecond)
	return false
}

// hang accepts calls and answers none of them until release.
func (s *stub) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	s.answer = func(http.ResponseWriter) bool { <-held; return false }
}

func (s *stub) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
	}
	s.held, s.answer = nil, nil
}

func backend(s *stub, src source.Source) conformance.SourceBackend {
	return conformance.SourceBackend{
		Source: src,
		Put: func(keys ...source.Key) {
			s.release()
			if len(keys) == 0 {
				s.put("AWSCURRENT", "", "")
				s.put("AWSPREVIOUS", "", "")
				return
			}
			s.put("AWSCURRENT", keys[0].Version, keys[0].Secret.Expose())
			s.put("AWSPREVIOUS", "", "")
			if len(keys) > 1 {
				s.put("AWSPREVIOUS", keys[1].Version, keys[1].Secret.Expose())
			}
		},
		Delete: s.delete,
		Break:  s.kill,
		// The SDK does not repeat a request that it wrote to a closed connection.
		Repair:  func() { s.release(); s.server.Close(); s.http.CloseIdleConnections(); s.start() },
		Hang:    s.hang,
		Deny:    func() { s.refuse(400, "AccessDeniedException") },
		Restore: func() { s.set(nil) },
		Close:   s.http.CloseIdleConnections,
	}
}

// exampleTB lets an example, which has no testing.T, start the stub.
type exampleTB struct{ testing.TB }

func (exampleTB) Cleanup(func()) {}

func (exampleTB) Fatal(args ...any) { panic(args) }
