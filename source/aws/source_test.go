package aws_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/aws"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F75, F78, F92, F95, F102-F106: the rules for every source.
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

// Calls cost money: a reading makes one DescribeSecret call, and each version needs one
// GetSecretValue call.
func TestFetchesEachVersionOnce(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "sentinel-token-1")
	storetest.Read(t, src, "v1")
	storetest.Read(t, src, "v1")
	s.rotate("v2", "sentinel-token-2")
	storetest.Read(t, src, "v2", "v1")
	set := storetest.Read(t, src, "v2", "v1")
	if d, g := s.count("DescribeSecret"), s.count("GetSecretValue"); d != 4 || g != 2 {
		t.Errorf("%d DescribeSecret, %d GetSecretValue, want 4 and 2", d, g)
	}
	if age := set.Keys[0].CreatedAt.Sub(set.Keys[1].CreatedAt); age != time.Hour {
		t.Errorf("created %v apart, want 1h", age)
	}
	s.rotate("v3", "sentinel-token-3")
	storetest.Read(t, src, "v3", "v2")
	s.rotate("v1", "") // a rollback to a forgotten version: its value is fetched again (F102)
	storetest.Read(t, src, "v1", "v3")
	if g := s.count("GetSecretValue"); g != 4 {
		t.Errorf("%d GetSecretValue, want 4", g)
	}
}

// F92: the stages move as in a rotation.
func TestServesNoPendingVersion(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.put("AWSPENDING", "v1", "sentinel-token-1")
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Fatalf("nothing but a pending version: %v", err)
	}
	s.rotate("v1", "")
	s.put("AWSPENDING", "v2", "sentinel-token-2")
	s.put("custom", "v0", "sentinel-token-0")
	storetest.Read(t, src, "v1")
	s.rotate("v2", "") // the version keeps AWSPENDING for a while
	storetest.Read(t, src, "v2", "v1")
	s.put("AWSPENDING", "v3", "")
	storetest.Read(t, src, "v2", "v1")
	s.put("AWSPREVIOUS", "", "")
	storetest.Read(t, src, "v2")
}

// F83, F92: a version whose value is no key is left out, and the older versions stay usable.
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "sentinel-token-1")
	s.rotate("v2", "")
	set := storetest.Read(t, src, "v1")
	if len(set.Warnings) != 1 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
		t.Errorf("warnings: %v", set.Warnings)
	}
	storetest.Read(t, src, "v1")
	if g := s.count("GetSecretValue"); g != 2 {
		t.Errorf("%d GetSecretValue, want 2", g)
	}
	s.put("AWSPREVIOUS", "", "")
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no good version at all: %v", err)
	}
}

// F91: a secret that was deleted and created again may have the same version ids.
func TestNoticesASecretMadeAnew(t *testing.T) {
	s := newStub(t)
	src := aws.New(s.client(), "prod/key")
	s.rotate("v1", "sentinel-token-1")
	storetest.Read(t, src, "v1")
	s.mu.Lock()
	s.created = s.created.Add(time.Hour)
	s.versions["v1"] = secretVersion{text: "sentinel-token-other"}
	s.mu.Unlock()
	if set := storetest.Read(t, src, "v1"); set.Keys[0].Secret.Expose() != "sentinel-token-other" {
		t.Error("the old secret's value is served")
	}
}

func TestDecodesFieldsDocumentsAndBinary(t *testing.T) {
	s := newStub(t)
	s.rotate("v1", `{"api-key":"id-1","api-secret":"sentinel-s-1","word":"sentinel-w-1","port":5432}`)
	set := storetest.Read(t, aws.New(s.client(), "prod/key", aws.WithNames("api-key", "api-secret", "word")), "v1")
	if k := set.Keys[0]; k.ID != "id-1" || k.Secret.Expose() != "sentinel-s-1" || k.Extra["passphrase"].Expose() != "sentinel-w-1" {
		t.Errorf("fields: %+v", k)
	}
	for _, text := range []string{
		`{"api-key":"a","api-key":"b","api-secret":"sentinel-s"}`, `{"api-key":"id-1"}`, `{"api-key":"id-1","api-secret":"sentinel-s-1"`, `[]`, `"x"`,
		`{"api-key":"id-1","api-secret":"sentinel-s-1"} {}`, `{"api-key":5,"api-secret":"sentinel-s-1"}`, ``,
	} {
		s := newStub(t)
		s.rotate("v1", text)
		if _, err := aws.New(s.client(), "prod/key", aws.WithNames("api-key", "api-secret", "")).Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}

	// A document lists all keys itself. The older document in AWSPREVIOUS adds nothing, and is
	// never used instead (F90).
	document := aws.New(s.client(), "prod/key", aws.WithDecoder(source.Document))
	s.rotate("v2", `{"keys":[{"version":"b","secret":"sentinel-s"},{"version":"a","secret":"sentinel-r"}]}`)
	storetest.Read(t, document, "b", "a")
	s.rotate("v3", `{"keys":[{"version":"b","secret":"sentinel-s"}]}`)
	storetest.Read(t, document, "b")
	s.rotate("v4", `{"keys":[`)
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a torn document: %v", err)
	}

	s.mu.Lock()
	s.versions["v5"] = secretVersion{binary: []byte("sentinel-token-5")}
	s.mu.Unlock()
	s.rotate("v5", "")
	s.put("AWSPREVIOUS", "", "")
	if set := storetest.Read(t, aws.New(s.client(), "prod/key"), "v5"); set.Keys[0].Secret.Expose() != "sentinel-token-5" {
		t.Error("SecretBinary is not what was put")
	}
}

// F75, F77, F88, F92
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Poll: time.Second, Parallel: true,
		More: []string{
			"throttled", "internal error", "unknown error", "key may not be used", "own credentials deleted",
			"forbidden by something between", "a page in place of the answer", "no current version", "nothing but an empty version",
		},
		Open: func(t *testing.T) storetest.Store {
			s := newStub(t)
			refuses := func(status int, code string, want error) storetest.Fault {
				return storetest.Fault{Begin: func() { s.refuse(status, code) }, Mend: func() { s.set(nil) }, Want: want}
			}
			answers := func(answer func(http.ResponseWriter) bool, want error) storetest.Fault {
				return storetest.Fault{Begin: func() { s.set(answer) }, Mend: func() { s.set(nil) }, Want: want, Missed: true}
			}
			name := func(n int) string { return conformance.NewKey(n).Version }
			return storetest.Store{
				Source: aws.New(s.client(), "prod/key"),
				Put:    func(n int) { s.rotate(name(n), conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.kill, Mend: s.start, Want: source.ErrUnavailable, Missed: true},
					"connection reset":            answers(reset, source.ErrUnavailable),
					"no answer":                   {Begin: func() { s.hang() }, Mend: s.release, Want: source.ErrUnavailable, Missed: true},
					"slow answers":                {Begin: func() { s.set(slow) }, Mend: func() { s.set(nil) }, Uses: 3},
					"permission revoked":          refuses(400, "AccessDeniedException", source.ErrDenied),
					"token expired":               refuses(400, "ExpiredTokenException", source.ErrDenied),
					"secret deleted":              {Begin: s.delete, Want: source.ErrNoKey},
					"rollback":                    {Begin: func() { s.rotate(name(1), "") }, Uses: 1},
					"empty version":               {Begin: func() { s.rotate("empty", "") }},
					"pending version":             {Begin: func() { s.put("AWSPENDING", "next", conformance.Sentinel+"next") }},

					"throttled":                      refuses(400, "ThrottlingException", source.ErrUnavailable),
					"internal error":                 refuses(500, "InternalServiceError", source.ErrUnavailable),
					"unknown error":                  refuses(418, conformance.Sentinel+"code", source.ErrUnavailable),
					"key may not be used":            refuses(400, "DecryptionFailure", source.ErrDenied),
					"own credentials deleted":        refuses(400, "UnrecognizedClientException", source.ErrDenied),
					"forbidden by something between": answers(page(403), source.ErrDenied),
					"a page in place of the answer":  answers(page(200), source.ErrUnavailable),
					"no current version":             {Begin: func() { s.put("AWSCURRENT", "", "") }, Want: source.ErrNoKey},
					"nothing but an empty version": {Begin: func() {
						s.put("AWSPREVIOUS", "", "")
						s.put("AWSCURRENT", "empty", "")
					}, Want: source.ErrInvalid},
				},
			}
		},
	})
}

// The ring tries again, not the source: a reading that fails makes one call (F77).
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
