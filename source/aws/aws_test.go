package aws_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/aws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F75, F78, F92, F95, F102-F106: the contract of every source.
func TestConformance(t *testing.T) {
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			s := newStub(t)
			return backend(s, aws.New(s.client(), "prod/key"))
		},
		Lists: true,
		Skip: map[string]string{
			"Torn": "PutSecretValue is atomic",
			"Push": "Secrets Manager pushes to EventBridge only, which no client can subscribe to",
			"Arm":  "it does not notify",
		},
	})
}

// The calls are what costs: one DescribeSecret a reading, one GetSecretValue a version.
func TestFetchesEachVersionOnce(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "token-1")
	read(t, src, "v1")
	read(t, src, "v1")
	s.rotate("v2", "token-2")
	read(t, src, "v2", "v1")
	set := read(t, src, "v2", "v1")
	if d, g := s.count("DescribeSecret"), s.count("GetSecretValue"); d != 4 || g != 2 {
		t.Errorf("%d DescribeSecret, %d GetSecretValue, want 4 and 2", d, g)
	}
	if age := set.Keys[0].CreatedAt.Sub(set.Keys[1].CreatedAt); age != time.Hour {
		t.Errorf("created %v apart, want 1h", age)
	}
	s.rotate("v3", "token-3")
	read(t, src, "v3", "v2")
	s.rotate("v1", "") // a rollback to what was dropped is fetched anew (F102)
	read(t, src, "v1", "v3")
	if g := s.count("GetSecretValue"); g != 4 {
		t.Errorf("%d GetSecretValue, want 4", g)
	}
}

// F92: the stages of a rotation, one after the other.
func TestServesNoPendingVersion(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.put("AWSPENDING", "v1", "token-1")
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Fatalf("nothing but a pending version: %v", err)
	}
	s.rotate("v1", "")
	s.put("AWSPENDING", "v2", "token-2")
	s.put("custom", "v0", "token-0")
	read(t, src, "v1")
	s.rotate("v2", "") // AWSPENDING stays on it for a while
	read(t, src, "v2", "v1")
	s.put("AWSPENDING", "v3", "")
	read(t, src, "v2", "v1")
	s.put("AWSPREVIOUS", "", "")
	read(t, src, "v2")
}

// F83, F92: a version whose value is no key is left out, and those behind it stay.
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "token-1")
	s.rotate("v2", "")
	set := read(t, src, "v1")
	if len(set.Warnings) != 1 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
		t.Errorf("warnings: %v", set.Warnings)
	}
	read(t, src, "v1")
	if g := s.count("GetSecretValue"); g != 2 {
		t.Errorf("%d GetSecretValue, want 2", g)
	}
	s.put("AWSPREVIOUS", "", "")
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no good version at all: %v", err)
	}
}

// F91: a secret that was deleted and made anew may have the same version ids.
func TestNoticesASecretMadeAnew(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "token-1")
	read(t, src, "v1")
	s.mu.Lock()
	s.created = s.created.Add(time.Hour)
	s.versions["v1"] = secretVersion{text: "token-other"}
	s.mu.Unlock()
	if set := read(t, src, "v1"); set.Keys[0].Secret.Expose() != "token-other" {
		t.Error("the old secret's value is served")
	}
}

func TestDecodesFieldsDocumentsAndBinary(t *testing.T) {
	s := newStub(t)
	s.rotate("v1", `{"api-key":"id-1","api-secret":"s-1","word":"w-1","port":5432}`)
	set := read(t, aws.New(s.client(), "prod/key", aws.WithFields("api-key", "api-secret", "word")), "v1")
	if k := set.Keys[0]; k.ID != "id-1" || k.Secret.Expose() != "s-1" || k.Extra["passphrase"].Expose() != "w-1" {
		t.Errorf("fields: %+v", k)
	}
	for _, text := range []string{
		`{"api-key":"a","api-key":"b","api-secret":"s"}`, `{"api-key":"id-1"}`, `{"api-key":"id-1","api-secret":"s-1"`, `[]`, `"x"`,
		`{"api-key":"id-1","api-secret":"s-1"} {}`, `{"api-key":5,"api-secret":"s-1"}`, ``,
	} {
		s := newStub(t)
		s.rotate("v1", text)
		if _, err := aws.New(s.client(), "prod/key", aws.WithFields("api-key", "api-secret", "")).Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}

	// A document lists its keys itself: AWSPREVIOUS, which holds the one before,
	// adds nothing and never stands in for it (F90).
	document := aws.New(s.client(), "prod/key", aws.WithDecoder(source.Document))
	s.rotate("v2", `{"keys":[{"version":"b","secret":"s"},{"version":"a","secret":"r"}]}`)
	read(t, document, "b", "a")
	s.rotate("v3", `{"keys":[{"version":"b","secret":"s"}]}`)
	read(t, document, "b")
	s.rotate("v4", `{"keys":[`)
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a torn document: %v", err)
	}

	s.mu.Lock()
	s.versions["v5"] = secretVersion{binary: []byte("token-5")}
	s.mu.Unlock()
	s.rotate("v5", "")
	s.put("AWSPREVIOUS", "", "")
	if set := read(t, aws.New(s.client(), "prod/key"), "v5"); set.Keys[0].Secret.Expose() != "token-5" {
		t.Error("SecretBinary is not what was put")
	}
}

// F75, F77, F88, F92: whatever the store does, requests have a key, and the
// ring finds the new one by itself when it is over.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		begin func(*stub)
		end   func(*stub)
		want  error
	}{
		"server killed and restarted":      {(*stub).kill, (*stub).start, source.ErrUnavailable},
		"connection reset in mid-answer":   {func(s *stub) { s.set(reset) }, nil, source.ErrUnavailable},
		"no answer in time":                {func(s *stub) { s.hang() }, nil, source.ErrUnavailable},
		"throttled":                        {func(s *stub) { s.refuse(400, "ThrottlingException") }, nil, source.ErrUnavailable},
		"internal error":                   {func(s *stub) { s.refuse(500, "InternalServiceError") }, nil, source.ErrUnavailable},
		"unknown error":                    {func(s *stub) { s.refuse(418, conformance.Sentinel+"code") }, nil, source.ErrUnavailable},
		"permission revoked":               {func(s *stub) { s.refuse(400, "AccessDeniedException") }, nil, source.ErrDenied},
		"permission revoked for the key":   {func(s *stub) { s.refuse(400, "DecryptionFailure") }, nil, source.ErrDenied},
		"own credentials expired":          {func(s *stub) { s.refuse(400, "ExpiredTokenException") }, nil, source.ErrDenied},
		"own credentials deleted":          {func(s *stub) { s.refuse(400, "UnrecognizedClientException") }, nil, source.ErrDenied},
		"forbidden by something between":   {func(s *stub) { s.set(page(403)) }, nil, source.ErrDenied},
		"a page in place of the answer":    {func(s *stub) { s.set(page(200)) }, nil, source.ErrUnavailable},
		"secret deleted":                   {(*stub).delete, func(s *stub) { s.put("AWSCURRENT", "v1", "") }, source.ErrNoKey},
		"no current version":               {func(s *stub) { s.put("AWSCURRENT", "", "") }, func(s *stub) { s.put("AWSCURRENT", "v1", "") }, source.ErrNoKey},
		"an empty version is made current": {func(s *stub) { s.put("AWSCURRENT", "empty", "") }, nil, source.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.rotate("v1", conformance.Sentinel+"1")
			ring, err := source.Keep(t.Context(), aws.New(s.client(), "prod/key"),
				source.WithPoll(time.Second), source.WithReadTimeout(3*time.Second), source.WithLogger(nil))
			if err != nil {
				t.Fatal(err)
			}
			defer ring.Close()
			requests := use(t, ring)

			tc.begin(s)
			err = ring.Refresh(t.Context())
			if !errors.Is(err, tc.want) {
				t.Errorf("the reading says %v, want %v", err, tc.want)
			}
			if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.Source != "aws://eu-central-1/prod/key" {
				t.Errorf("%v does not name the source", err)
			}
			if err != nil && strings.Contains(err.Error(), conformance.Sentinel) {
				t.Error("the error quotes the service") // F95
			}
			if v := ring.Version(); v != "v1" {
				t.Errorf("%q is in use during the fault", v)
			}
			if tc.end != nil {
				tc.end(s)
			}
			s.set(nil)
			s.rotate("v2", conformance.Sentinel+"2")
			until(t, func() bool { return ring.Version() == "v2" })
			requests()
		})
	}
}

// Trying again is the ring's: one call a reading that fails (F77).
func TestDoesNotInsist(t *testing.T) {
	s := newStub(t)
	s.refuse(500, "InternalServiceError")
	if _, err := aws.New(s.client(), "prod/key").Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Fatal(err)
	}
	if n := s.count("DescribeSecret"); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func page(status int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html>" + conformance.Sentinel))
		return true
	}
}

// use makes requests until the returned function is called, which wants that
// each had a key.
func use(t *testing.T, ring *source.Ring) (done func()) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var failed atomic.Int64
	ended := make(chan int, 1)
	go func() {
		n := 0
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; n++ {
			a, err := ring.Attempt(true)
			if err != nil {
				failed.Add(1)
			} else {
				a.Accepted()
			}
			<-tick.C
		}
		ended <- n
	}()
	return func() {
		t.Helper()
		cancel()
		if n := <-ended; n == 0 || failed.Load() > 0 {
			t.Errorf("%d of %d requests had no key", failed.Load(), n)
		}
	}
}

func read(t *testing.T, src source.Source, versions ...string) source.Set {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range set.Keys {
		got = append(got, k.Version)
	}
	if strings.Join(got, " ") != strings.Join(versions, " ") || !set.Complete {
		t.Fatalf("versions %v, want %v, complete: %v", got, versions, set.Complete)
	}
	return set
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it never came")
		}
	}
}
