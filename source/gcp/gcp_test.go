package gcp_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F75, F78, F92, F95, F102-F106: the contract of every source.
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

// F92: disabled and destroyed versions are never served, enabled ones again.
func TestServesEnabledVersionsOnly(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	for n := range 14 {
		s.add(fmt.Sprint("token-", n+1))
	}
	set := read(t, src, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5)
	if age := set.Keys[0].CreatedAt.Sub(set.Keys[1].CreatedAt); age != time.Minute {
		t.Errorf("created %v apart, want 1m", age)
	}
	for n := 5; n <= 12; n++ {
		s.state(n, secretmanagerpb.SecretVersion_DESTROYED)
	}
	s.state(14, secretmanagerpb.SecretVersion_DISABLED)
	read(t, src, 13, 4, 3, 2, 1)
	s.state(14, secretmanagerpb.SecretVersion_ENABLED)
	read(t, src, 14, 13, 4, 3, 2, 1)
	if l, a := s.count("list"), s.count("access"); l != 3 || a != 15 {
		t.Errorf("%d lists, %d accesses, want 3 and 15: each version once, and once more what was away", l, a)
	}
}

// A version that is disabled between the list and the value is left out.
func TestVersionDisabledMeanwhile(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("token-1")
	s.add("token-2")
	s.set(func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls["access"] > 0 {
			s.versions[1].state = secretmanagerpb.SecretVersion_DISABLED
		}
		return nil
	})
	read(t, src, 1)
}

// F17, F92: the key that encrypts the newest version is disabled. That is an error,
// not a version less, and the last good key stays in use.
func TestVersionThatCannotBeDecrypted(t *testing.T) {
	s := newStub(t)
	s.add(conformance.Sentinel + "1")
	src := gcp.New(s.client(), secret)
	ring, err := source.Keep(t.Context(), src, source.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	lock := func(n int, locked bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.versions[n-1].locked = locked
	}
	s.add(conformance.Sentinel + "2")
	lock(2, true)
	err = ring.Refresh(t.Context())
	if !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), `version "2" is enabled`) || strings.Contains(err.Error(), conformance.Sentinel) {
		t.Errorf("the reading says %v", err)
	}
	if v := ring.Version(); v != "1" {
		t.Errorf("%q is in use", v)
	}
	s.state(2, secretmanagerpb.SecretVersion_DISABLED)
	read(t, src, 1)
	s.state(2, secretmanagerpb.SecretVersion_ENABLED)
	lock(2, false)
	if err := ring.Refresh(t.Context()); err != nil || ring.Version() != "2" {
		t.Errorf("%q is in use, error %v", ring.Version(), err)
	}
}

// F91: with a secret deleted and made anew, the numbers begin anew.
func TestNoticesASecretMadeAnew(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("token-1")
	read(t, src, 1)
	s.delete()
	s.add("token-other")
	if set := read(t, src, 1); set.Keys[0].Secret.Expose() != "token-other" {
		t.Error("the old secret's value is served")
	}
}

// F83, F92
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStub(t)
	src := gcp.New(s.client(), secret)
	s.add("token-1")
	s.add("")
	s.add("two words")
	if set := read(t, src, 1); len(set.Warnings) != 2 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
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
	s.add("token-1")
	s.versions[0].data = []byte("token-2")
	if _, err := gcp.New(s.client(), secret).Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Errorf("a value that is not what was stored: %v", err)
	}
}

func TestDecodesFieldsAndDocuments(t *testing.T) {
	s := newStub(t)
	client := s.client()
	s.add(`{"user":"id-1","pass":"s-1","word":"w-1","port":5432}`)
	key := read(t, gcp.New(client, secret, gcp.WithFields("user", "pass", "word")), 1).Keys[0]
	if key.ID != "id-1" || key.Secret.Expose() != "s-1" || key.Extra["passphrase"].Expose() != "w-1" {
		t.Errorf("fields: %+v", key)
	}
	s.add(`{"keys":[{"version":"8","secret":"s-8"},{"version":"7","secret":"s-7"}]}`)
	document := gcp.New(client, secret, gcp.WithDecoder(source.Document))
	read(t, document, 8, 7)
	s.add(`{"keys":[{"version":"9","sec`) // F90: the older document does not stand in for it
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a torn document: %v", err)
	}
}

// Trying again is the ring's: one call a reading that fails, and one more when
// that may be for a connection that was lost since the last reading (F77).
func TestDoesNotInsist(t *testing.T) {
	for code, want := range map[codes.Code]int{codes.Unavailable: 3, codes.ResourceExhausted: 2, codes.Internal: 2} {
		s := newStub(t)
		s.add("token-1")
		s.set(func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.calls["access"] > 0 { // the list is well at first
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

// F75, F77, F92: whatever happens at the store, requests have a key, and the
// ring finds the new one by itself when it is over.
func TestFaults(t *testing.T) {
	patient, err := status.New(codes.ResourceExhausted, "quota").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		begin, end func(*stub)
		want       error
	}{
		"server killed and restarted": {(*stub).kill, (*stub).start, source.ErrUnavailable},
		"connections cut in mid-call": {func(s *stub) {
			s.set(func(context.Context) error { go s.server.Stop(); return hang(s.t.Context()) })
		}, func(s *stub) { s.kill(); s.start() }, source.ErrUnavailable},
		"no answer in time":        {func(s *stub) { s.set(hang) }, nil, source.ErrUnavailable},
		"throttled":                {func(s *stub) { s.set(func(context.Context) error { return patient.Err() }) }, nil, source.ErrUnavailable},
		"internal error":           {func(s *stub) { s.set(fails(codes.Internal)) }, nil, source.ErrUnavailable},
		"unknown error":            {func(s *stub) { s.set(fails(codes.Code(99))) }, nil, source.ErrUnavailable},
		"permission revoked":       {func(s *stub) { s.set(fails(codes.PermissionDenied)) }, nil, source.ErrDenied},
		"own token expired":        {func(s *stub) { s.set(fails(codes.Unauthenticated)) }, nil, source.ErrDenied},
		"not a name of a secret":   {func(s *stub) { s.set(fails(codes.InvalidArgument)) }, nil, source.ErrInvalid},
		"secret deleted":           {(*stub).delete, nil, source.ErrNoKey},
		"every version disabled":   {func(s *stub) { s.state(1, secretmanagerpb.SecretVersion_DISABLED) }, nil, source.ErrNoKey},
		"nothing but an empty one": {func(s *stub) { s.add(""); s.state(1, secretmanagerpb.SecretVersion_DESTROYED) }, nil, source.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.add(conformance.Sentinel + "1")
			ring, err := source.Keep(t.Context(), gcp.New(s.client(), secret),
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
			typed := (*source.Error)(nil)
			if !errors.As(err, &typed) || typed.Source != "gcp://acme/key" {
				t.Fatalf("%v does not name the source", err)
			}
			if name == "throttled" && typed.RetryAfter != 2*time.Second {
				t.Errorf("RetryAfter is %v", typed.RetryAfter)
			}
			if strings.Contains(err.Error(), conformance.Sentinel) { // F95
				t.Error("the error quotes the service")
			}
			if v := ring.Version(); v != "1" {
				t.Errorf("%q is in use during the fault", v)
			}
			s.set(nil)
			if tc.end != nil {
				tc.end(s)
			}
			s.add(conformance.Sentinel + "2")
			until(t, func() bool {
				key, _ := ring.InUse()
				return key.Secret.Expose() == conformance.Sentinel+"2"
			})
			requests()
		})
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

func read(t testing.TB, src source.Source, versions ...int) source.Set {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, k := range set.Keys {
		got = append(got, k.Version)
	}
	for _, v := range versions {
		want = append(want, strconv.Itoa(v))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || !set.Complete {
		t.Fatalf("versions %v, want %v, complete: %v", got, want, set.Complete)
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
