package gcp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/gcp"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F75, F78, F92, F95, F102-F106: the rules for every source.
func TestConformance(t *testing.T) {
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			s := newStub(t)
			return backend(s, gcp.New(s.client(), secret))
		},
		Lists: true,
		Skip: map[string]string{
			"Torn": "AddSecretVersion is atomic",
			"Push": "Secret Manager pushes to Pub/Sub only",
			"Arm":  "it does not notify",
		},
	})
}

// F92: disabled and destroyed versions are never used. A version that is enabled again is.
func TestServesEnabledVersionsOnly(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	for n := range 14 {
		s.add(fmt.Sprint("sentinel-token-", n+1))
	}
	set := storetest.Read(t, src, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5)
	if age := set.Keys[0].CreatedAt.Sub(set.Keys[1].CreatedAt); age != time.Minute {
		t.Errorf("created %v apart, want 1m", age)
	}
	for n := 5; n <= 12; n++ {
		s.state(n, secretmanagerpb.SecretVersion_DESTROYED)
	}
	s.state(14, secretmanagerpb.SecretVersion_DISABLED)
	storetest.Read(t, src, 13, 4, 3, 2, 1)
	s.state(14, secretmanagerpb.SecretVersion_ENABLED)
	storetest.Read(t, src, 14, 13, 4, 3, 2, 1)
	if l, a := s.count("list"), s.count("access"); l != 3 || a != 15 {
		t.Errorf("%d lists, %d accesses, want 3 and 15: each version once, and once more what was away", l, a)
	}
}

// A version that is disabled after it was listed and before its value is read is left out.
func TestVersionDisabledMeanwhile(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("sentinel-token-1")
	s.add("sentinel-token-2")
	s.set(func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls["access"] > 0 {
			s.versions[1].state = secretmanagerpb.SecretVersion_DISABLED
		}
		return nil
	})
	storetest.Read(t, src, 1)
}

// F17, F92: the key that encrypts the newest version is disabled. That is an error, and the ring
// keeps the last good key. The source must not leave the version out.
func TestVersionThatCannotBeDecrypted(t *testing.T) {
	s := newStub(t)
	s.add(conformance.Sentinel + "1")
	src := gcp.New(s.client(), secret)
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	s.add(conformance.Sentinel + "2")
	s.lock(2, true)
	err = keys.Refresh(t.Context())
	if !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), `version "2" is enabled`) || strings.Contains(err.Error(), conformance.Sentinel) {
		t.Errorf("the reading says %v", err)
	}
	if v := keys.Version(); v != "1" {
		t.Errorf("%q is in use", v)
	}
	s.state(2, secretmanagerpb.SecretVersion_DISABLED)
	storetest.Read(t, src, 1)
	s.state(2, secretmanagerpb.SecretVersion_ENABLED)
	s.lock(2, false)
	if err := keys.Refresh(t.Context()); err != nil || keys.Version() != "2" {
		t.Errorf("%q is in use, error %v", keys.Version(), err)
	}
}

// F91: if a secret is deleted and created again, its numbers start again.
func TestNoticesASecretMadeAnew(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("sentinel-token-1")
	storetest.Read(t, src, 1)
	s.delete()
	s.add("sentinel-token-other")
	if set := storetest.Read(t, src, 1); set.Keys[0].Secret.Expose() != "sentinel-token-other" {
		t.Error("the old secret's value is served")
	}
}

// F83, F92
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("sentinel-token-1")
	s.add("")
	s.add("two words")
	if set := storetest.Read(t, src, 1); len(set.Warnings) != 2 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
		t.Errorf("warnings: %v", set.Warnings)
	}
	s.state(1, secretmanagerpb.SecretVersion_DISABLED)
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no good version at all: %v", err)
	}
	if _, err := gcp.New(nil, secret).Read(t.Context()); !errors.Is(err, source.ErrInvalid) { // F109
		t.Errorf("no client: %v", err)
	}
}

func TestChecksTheChecksum(t *testing.T) {
	s := newStub(t)
	s.add("sentinel-token-1")
	s.versions[0].data = []byte("sentinel-token-2")
	if _, err := gcp.New(s.client(), secret).Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Errorf("a value that is not what was stored: %v", err)
	}
}

func TestDecodesFieldsAndDocuments(t *testing.T) {
	s := newStub(t)
	client := s.client()
	s.add(`{"user":"id-1","pass":"sentinel-s-1","word":"sentinel-w-1","port":5432}`)
	key := storetest.Read(t, gcp.New(client, secret, gcp.WithNames("user", "pass", "word")), 1).Keys[0]
	if key.ID != "id-1" || key.Secret.Expose() != "sentinel-s-1" || key.Extra["passphrase"].Expose() != "sentinel-w-1" {
		t.Errorf("fields: %+v", key)
	}
	s.add(`{"keys":[{"version":"8","secret":"sentinel-s-8"},{"version":"7","secret":"sentinel-s-7"}]}`)
	document := gcp.New(client, secret, gcp.WithDecoder(source.Document))
	storetest.Read(t, document, 8, 7)
	s.add(`{"keys":[{"version":"9","sec`) // F90: the older document must not be used instead
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a torn document: %v", err)
	}
}

// The ring tries again, not the source. A reading that fails makes one call, and one more if the
// connection may have been lost after the last reading (F77).
func TestDoesNotInsist(t *testing.T) {
	for code, want := range map[codes.Code]int{codes.Unavailable: 3, codes.ResourceExhausted: 2, codes.Internal: 2} {
		s := newStub(t)
		s.add("sentinel-token-1")
		s.set(func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.calls["access"] > 0 { // the first list succeeds
				return status.Error(code, "")
			}
			return nil
		})
		if _, err := gcp.New(s.client(), secret).Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
			t.Fatal(err)
		}
		if n := s.count("list") + s.count("access"); n != want {
			t.Errorf("%v: %d calls, want %d", code, n, want)
		}
	}
}

// F75, F77, F92
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Poll: time.Second, Parallel: true,
		Absent: map[string]string{"pending version": "the service has no date from which on a version may be used"},
		More: []string{
			"throttled", "internal error", "unknown error", "not a name of a secret", "every version disabled",
			"nothing but an empty version", "encryption key disabled",
		},
		Open: func(t *testing.T) storetest.Store {
			s := newStub(t)
			does := func(fault func(context.Context) error, want error) storetest.Fault {
				return storetest.Fault{Begin: func() { s.set(fault) }, Mend: func() { s.set(nil) }, Want: want, Missed: true}
			}
			disable := func(numbers ...int) {
				for _, n := range numbers {
					s.state(n, secretmanagerpb.SecretVersion_DISABLED)
				}
			}
			return storetest.Store{
				Source: gcp.New(s.client(), secret),
				Put:    func(n int) { s.add(conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.kill, Mend: s.start, Want: source.ErrUnavailable, Missed: true},
					"connection reset": {
						Begin: func() {
							s.set(func(context.Context) error { go s.server.Stop(); return hang(t.Context()) })
						},
						Mend: func() { s.set(nil); s.kill(); s.start() }, Want: source.ErrUnavailable, Missed: true,
					},
					"no answer":          does(hang, source.ErrUnavailable),
					"slow answers":       {Begin: func() { s.set(slow) }, Mend: func() { s.set(nil) }, Uses: 3},
					"permission revoked": does(fails(codes.PermissionDenied), source.ErrDenied),
					"token expired":      does(fails(codes.Unauthenticated), source.ErrDenied),
					"secret deleted":     {Begin: s.delete, Want: source.ErrNoKey},
					"rollback":           {Begin: func() { disable(2) }, Uses: 1},
					"empty version":      {Begin: func() { s.add("") }},

					"throttled":                    does(fails(codes.ResourceExhausted), source.ErrUnavailable),
					"internal error":               does(fails(codes.Internal), source.ErrUnavailable),
					"unknown error":                does(fails(codes.Code(99)), source.ErrUnavailable),
					"not a name of a secret":       does(fails(codes.InvalidArgument), source.ErrInvalid),
					"every version disabled":       {Begin: func() { disable(1, 2) }, Want: source.ErrNoKey},
					"nothing but an empty version": {Begin: func() { disable(1, 2); s.add("") }, Want: source.ErrInvalid},
					"encryption key disabled": {
						Begin: func() { s.lock(s.add(conformance.Sentinel+"locked"), true) }, Mend: func() { s.lock(3, false) },
						Want: source.ErrDenied,
					},
				},
			}
		},
	})
}

// F77: the ring gets the wait that the service asks for.
func TestPassesRetryInfoOn(t *testing.T) {
	patient, err := status.New(codes.ResourceExhausted, "quota").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	s := newStub(t)
	s.set(func(context.Context) error { return patient.Err() })
	_, err = gcp.New(s.client(), secret).Read(t.Context())
	if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.RetryAfter != 2*time.Second {
		t.Errorf("%+v", typed)
	}
}
