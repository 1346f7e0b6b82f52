package azure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/azure"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F75, F78, F92, F95, F102-F106: the rules for every source.
func TestConformance(t *testing.T) {
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			s := newStub(t)
			return backend(s, azure.New(s.client(), "key"))
		},
		Lists: true,
		Skip: map[string]string{
			"Torn": "SetSecret is atomic",
			"Push": "Key Vault pushes to Event Grid only",
			"Arm":  "it does not notify",
		},
	})
}

// F92: disabled versions are never used. A version that is enabled again is. The newest comes
// first.
func TestServesEnabledVersionsOnly(t *testing.T) {
	s := newStub(t)
	src := azure.New(s.client(), "key")
	for n := range 14 {
		s.add(name(n), fmt.Sprint("sentinel-token-", n))
	}
	read(t, src, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4)
	for n := 3; n < 11; n++ {
		s.enable(name(n), false)
	}
	s.enable(name(13), false)
	read(t, src, 12, 11, 2, 1, 0)
	s.enable(name(13), true)
	read(t, src, 13, 12, 11, 2, 1, 0)
	if l, g := s.count("list"), s.count("get"); l != 3 || g != 14 {
		t.Errorf("%d lists, %d gets, want 3 and 14: each version once, and once more what was away", l, g)
	}
}

func TestTakesDates(t *testing.T) {
	s := newStub(t)
	src := azure.New(s.client(), "key")
	s.add(name(1), "sentinel-token-1").Expires = to.Ptr(time.Now().Add(time.Hour).Truncate(time.Second))
	s.add(name(2), "sentinel-token-2").NotBefore = to.Ptr(time.Now().Add(time.Minute).Truncate(time.Second))
	set := read(t, src, 2, 1)
	for i, n := range []int{2, 1} {
		about := s.find(name(n)).about
		for what, pair := range map[string][2]time.Time{
			"created": {set.Keys[i].CreatedAt, *about.Created}, "nbf": {set.Keys[i].NotBefore, date(about.NotBefore)},
			"exp": {set.Keys[i].ExpiresAt, date(about.Expires)},
		} {
			if !pair[0].Equal(pair[1]) {
				t.Errorf("version %d: %s is %v, want %v", n, what, pair[0], pair[1])
			}
		}
	}
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if v := keys.Version(); v != name(1) {
		t.Errorf("%s is in use before the time of the newest", v)
	}
}

func date(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Dates have whole seconds. Of two versions with the same date, the vault says which is the
// newest.
func TestTellsVersionsOfOneSecondApart(t *testing.T) {
	for _, order := range [][]int{{1, 2, 3}, {3, 2, 1}, {2, 1, 3}} {
		s := newStub(t)
		src := azure.New(s.client(), "key")
		for _, n := range order {
			*s.add(name(n), fmt.Sprint("sentinel-token-", n)).Created = s.created.Truncate(time.Hour)
		}
		set, err := src.Read(t.Context())
		if err != nil || set.Keys[0].Version != name(order[2]) {
			t.Errorf("%v: the newest is %+v, error %v", order, set.Keys[0], err)
		}
		s.enable(name(order[2]), false) // the vault refuses to return the newest: any order of the others will do
		if set, err := src.Read(t.Context()); err != nil || len(set.Keys) != 2 {
			t.Errorf("%v: %d keys, error %v", order, len(set.Keys), err)
		}
	}
}

// F83, F92
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStub(t)
	src := azure.New(s.client(), "key")
	s.add(name(1), "sentinel-token-1")
	s.add(name(2), "")
	s.add(name(3), "two words")
	if set := read(t, src, 1); len(set.Warnings) != 2 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
		t.Errorf("warnings: %v", set.Warnings)
	}
	s.enable(name(1), false)
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no good version at all: %v", err)
	}
	if _, err := azure.New(nil, "key").Read(t.Context()); !errors.Is(err, source.ErrInvalid) { // F109
		t.Errorf("no client: %v", err)
	}
}

func TestDecodesFieldsAndDocuments(t *testing.T) {
	s := newStub(t)
	s.add(name(1), `{"user":"id-1","pass":"sentinel-s-1","word":"sentinel-w-1","port":5432}`)
	key := read(t, azure.New(s.client(), "key", azure.WithNames("user", "pass", "word")), 1).Keys[0]
	if key.ID != "id-1" || key.Secret.Expose() != "sentinel-s-1" || key.Extra["passphrase"].Expose() != "sentinel-w-1" {
		t.Errorf("fields: %+v", key)
	}
	s.add(name(2), `{"keys":[{"version":"8","secret":"sentinel-s-8"},{"version":"7","secret":"sentinel-s-7"}]}`)
	document := azure.New(s.client(), "key", azure.WithDecoder(source.Document))
	if set, err := document.Read(t.Context()); err != nil || len(set.Keys) != 2 || set.Keys[0].Version != "8" {
		t.Errorf("the document: %+v, error %v", set, err)
	}
	s.add(name(3), `{"keys":[{"version":"9","sec`) // F90: the older document must not be used instead
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a torn document: %v", err)
	}
}

// F75, F77, F92
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Poll: time.Second, Parallel: true,
		Absent: map[string]string{"server killed and restarted": "the SDK's fake vault is no process: the row after is as near as it comes"},
		More: []string{
			"connection refused", "answer cut short", "throttled", "internal error", "a page in place of an answer",
			"not a name of a secret", "every version disabled", "nothing but an empty version",
		},
		Open: func(t *testing.T) storetest.Store {
			s := newStub(t)
			does := func(fault func(*http.Request) (*http.Response, error), want error) storetest.Fault {
				return storetest.Fault{Begin: func() { s.set(fault) }, Mend: func() { s.set(nil) }, Want: want, Missed: true}
			}
			disable := func(numbers ...int) {
				for _, n := range numbers {
					s.enable(name(n), false)
				}
			}
			return storetest.Store{
				Source: azure.New(s.client(), "key"),
				Put:    func(n int) { s.add(name(n), conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"connection reset":   does(reset, source.ErrUnavailable),
					"no answer":          does(hang, source.ErrUnavailable),
					"slow answers":       {Begin: func() { s.set(s.slow) }, Mend: func() { s.set(nil) }, Uses: 3},
					"permission revoked": does(answers(403, ""), source.ErrDenied),
					"token expired":      does(answers(401, ""), source.ErrDenied),
					"secret deleted":     {Begin: s.delete, Want: source.ErrNoKey},
					"rollback":           {Begin: func() { disable(2) }, Uses: 1},
					"empty version":      {Begin: func() { s.add("empty", "") }},
					"pending version": {Begin: func() {
						s.add("next", conformance.Sentinel+"next").NotBefore = to.Ptr(time.Now().Add(time.Hour))
					}},

					"connection refused":           does(refused, source.ErrUnavailable),
					"answer cut short":             does(short, source.ErrUnavailable),
					"throttled":                    does(answers(429, "2"), source.ErrUnavailable),
					"internal error":               does(answers(500, ""), source.ErrUnavailable),
					"a page in place of an answer": does(answers(200, ""), source.ErrUnavailable),
					"not a name of a secret":       does(answers(400, ""), source.ErrInvalid),
					"every version disabled":       {Begin: func() { disable(1, 2) }, Want: source.ErrNoKey},
					"nothing but an empty version": {Begin: func() { disable(1, 2); s.add("empty", "") }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

// F77: the ring gets the wait that the service asks for.
func TestPassesRetryAfterOn(t *testing.T) {
	s := newStub(t)
	s.set(answers(429, "2"))
	_, err := azure.New(s.client(), "key").Read(t.Context())
	if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.RetryAfter != 2*time.Second {
		t.Errorf("%+v", typed)
	}
}

// The ring tries again, not the source: a reading that fails makes one call (F77).
func TestDoesNotInsist(t *testing.T) {
	s := newStub(t)
	calls := 0
	s.set(func(r *http.Request) (*http.Response, error) {
		if calls++; calls == 1 { // the authentication challenge, which every client gets
			resp, err := answers(401, "")(r)
			resp.Header.Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`)
			return resp, err
		}
		return answers(503, "")(r)
	})
	if _, err := azure.New(s.client(), "key").Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Fatal(err)
	}
	if calls != 2 {
		t.Errorf("%d calls, want the challenge and 1", calls)
	}
}

// F75, F88: the errors of the source's own login.
func TestOwnLoginFails(t *testing.T) {
	s := newStub(t)
	s.add(name(1), "sentinel-token-1")
	for title, tc := range map[string]struct{ err, want error }{
		"refused": {&azidentity.AuthenticationFailedError{RawResponse: &http.Response{
			StatusCode: 401, Body: io.NopCloser(strings.NewReader(conformance.Sentinel)), Request: &http.Request{},
		}}, source.ErrDenied},
		"down":          {&azidentity.AuthenticationFailedError{}, source.ErrUnavailable},
		"no credential": {azidentity.NewCredentialUnavailableError(conformance.Sentinel), source.ErrDenied},
	} {
		client, err := azsecrets.NewClient("https://acme.vault.azure.net", login{tc.err}, &azsecrets.ClientOptions{
			ClientOptions: azcore.ClientOptions{Transport: s},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := azure.New(client, "key").Read(t.Context()); !errors.Is(err, tc.want) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("%s: %v", title, err)
		}
	}
}

type login struct{ err error }

func (l login) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, l.err
}

func refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func reset(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func short(r *http.Request) (*http.Response, error) {
	resp, err := answers(200, "")(r)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"value":[`), cut{}))
	return resp, err
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func answers(status int, retryAfter string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"text/html"}}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		body := io.NopCloser(strings.NewReader("<html>" + conformance.Sentinel))
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: body, Request: r}, nil
	}
}

func read(t testing.TB, src source.Source, versions ...int) source.Set {
	t.Helper()
	var names []string
	for _, v := range versions {
		names = append(names, name(v))
	}
	return storetest.Read(t, src, names...)
}
