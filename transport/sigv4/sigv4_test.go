package sigv4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
	"github.com/rollingkeys/rollingkeys/transport/sigv4/internal/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

func key(n int) source.Key {
	return source.Key{
		Version: fmt.Sprint("v", n), ID: fmt.Sprint("AKIDEXAMPLE", n), Secret: source.NewSecret(fmt.Sprint(drill.Sentinel, "secret/+", n)),
	}
}

// bench is a service that checks signatures, and a client with a ring.
type bench struct {
	*endpoint
	t      *testing.T
	store  *drill.Store
	ring   *ring.Ring
	server *httptest.Server
	client *http.Client
}

func newBench(t *testing.T, service string, keys ...source.Key) *bench {
	t.Helper()
	b := &bench{t: t, store: drill.NewStore(keys...), endpoint: &endpoint{
		service: service, region: "eu-central-1", keys: make(map[string]string), served: make(map[string]int),
	}}
	for _, k := range keys {
		b.keys[k.ID] = k.Secret.Expose()
	}
	b.server = httptest.NewServer(b.endpoint)
	base := &http.Transport{}
	b.ring = b.store.Keep(t)
	b.client = &http.Client{Transport: transport.New(b.ring, sigv4.Scheme(service, "eu-central-1"),
		transport.WithBase(base), transport.WithClassifier(sigv4.Classifier), transport.WithOrigin(b.server.URL))}
	t.Cleanup(func() {
		b.ring.Close()
		base.CloseIdleConnections()
		b.server.Close()
	})
	return b
}

// do sends a request and returns its status and the access key id that served it.
func (b *bench) do(method, path string, body io.Reader, header ...string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	before := req.URL.String()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Error(err)
	}
	if req.URL.String() != before || req.Header.Get("Authorization") != "" || req.Header.Get("X-Amz-Date") != "" {
		b.t.Error("the caller's request was changed") // F29
	}
	return resp.StatusCode, string(text)
}

func (b *bench) wantServed(by source.Key, method, path string, body io.Reader, header ...string) {
	b.t.Helper()
	if status, id := b.do(method, path, body, header...); status != 200 || id != by.ID {
		b.t.Errorf("%s %s: status %d from %q, want 200 from %s", method, path, status, id, by.ID)
	}
}

func TestSignsWhatIsSent(t *testing.T) {
	for _, service := range []string{"execute-api", "s3"} {
		b := newBench(t, service, key(1))
		b.wantServed(key(1), "GET", "/", nil)
		b.wantServed(key(1), "GET", "/a%20b/c%2Fd/+e?z=1&a=%20x&a=2&empty", nil)
		b.wantServed(key(1), "POST", "/orders?limit=1", strings.NewReader(`{"side":"buy"}`), "Content-Type", "application/json", "X-Custom", "a  b")
		b.wantServed(key(1), "PUT", "/empty", http.NoBody)
		b.wantServed(key(1), "DELETE", "/x", bytes.NewReader(nil))
		if got := b.bodies[2]; got != `{"side":"buy"}` {
			t.Errorf("%s: the body arrives as %q", service, got)
		}
		if b.paths[1] != "/a%20b/c%2Fd/+e?a=%20x&a=2&empty=&z=1" {
			t.Errorf("%s: the path arrives as %s", service, b.paths[1])
		}
	}
}

// F33: a body that cannot be read twice is not sent, unless the caller sets its hash.
func TestBodyWithoutGetBody(t *testing.T) {
	b := newBench(t, "s3", key(1))
	stream := func() io.Reader { return io.MultiReader(strings.NewReader("stream")) }
	req, err := http.NewRequest("PUT", b.server.URL+"/o", stream())
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := b.client.Do(req); !errors.Is(err, transport.ErrBody) {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("a body that cannot be read twice: %v", err)
	}
	b.wantServed(key(1), "PUT", "/o", stream(), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	b.wantServed(key(1), "PUT", "/o", stream(), "X-Amz-Content-Sha256", verifier.Digest([]byte("stream")))
}

func TestSessionToken(t *testing.T) {
	temporary := key(1)
	temporary.Extra = map[string]source.Secret{"session_token": source.NewSecret(drill.Sentinel + "session==")}
	b := newBench(t, "execute-api", temporary)
	b.session = drill.Sentinel + "session=="
	b.wantServed(temporary, "GET", "/", nil)
	next := key(2)
	next.Extra = map[string]source.Secret{"session_token": source.NewSecret(drill.Sentinel + "next")}
	b.set(func() { b.keys = map[string]string{next.ID: next.Secret.Expose()}; b.session = drill.Sentinel + "next" })
	b.store.Put(next, temporary)
	b.wantServed(next, "POST", "/", strings.NewReader("order")) // refused, read, sent again
}

// F47, F113: the caller decides what happens to a request that is already signed.
func TestRequestsThatAreSignedAlready(t *testing.T) {
	b := newBench(t, "execute-api", key(1))
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	do := func(opts ...transport.Option) (string, error) {
		req, err := http.NewRequest("GET", b.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer own")
		req.Header.Set("X-Amz-Security-Token", "own")
		resp, err := transport.New(b.ring, sigv4.Scheme("execute-api", "eu-central-1"),
			append(opts, transport.WithBase(base), transport.WithOrigin(b.server.URL))...).RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	if _, err := do(); !errors.Is(err, transport.ErrCredential) {
		t.Errorf("by default: %v", err)
	}
	if text, err := do(transport.WithPassThrough()); err != nil || !strings.Contains(text, "MissingAuthenticationToken") {
		t.Errorf("let pass: %s, %v", text, err)
	}
	if text, err := do(transport.WithOverride()); err != nil || text != key(1).ID {
		t.Errorf("replaced: %s, %v", text, err)
	}
}

// F58, F61, F68: the two access keys of an IAM user rotate under load, with the source
// first and with the server first. No request fails, not even an order.
func TestRotatesTheTwoKeysOfAUser(t *testing.T) {
	b := newBench(t, "execute-api", key(1))
	calls := make(map[string]func(string) error)
	for method, content := range map[string]string{"GET": "", "POST": "order"} {
		calls[method] = func(string) error {
			if status, text := b.do(method, "/", strings.NewReader(content)); status != 200 {
				return fmt.Errorf("status %d: %s", status, text)
			}
			return nil
		}
	}
	load := drill.Start(t, calls)
	defer load.End()
	for n := 2; n <= 7; n++ {
		old, next := key(n-1), key(n)
		create := func() { b.set(func() { b.keys[next.ID] = next.Secret.Expose() }) }
		publish := func(keys ...source.Key) {
			b.store.Put(keys...)
			if err := b.ring.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if n%2 == 0 {
			create()
			publish(next, old)
		} else { // published before AWS knows it everywhere
			var before int
			b.set(func() { before = b.refused })
			publish(next, old)
			b.until(func() bool { return b.refused > before })
			create()
		}
		b.until(func() bool { return b.served[next.ID] > 0 })
		load.Settle() // "safe to revoke": the requests that were refused with the new key used the old one
		b.set(func() { delete(b.keys, old.ID) })
		load.Settle() // the requests that were refused with the old key used the new one
		publish(next)
	}
}

// until waits for an event at the server.
func (b *bench) until(ok func() bool) {
	b.t.Helper()
	drill.Until(b.t, "the server", func() (done bool) {
		b.set(func() { done = ok() })
		return done
	})
}

// A refusal of the time never counts against the key. The clock is corrected once for
// all requests.
func TestCorrectsTheClock(t *testing.T) {
	b := newBench(t, "execute-api", key(1))
	b.ahead = 40 * time.Minute
	b.wantServed(key(1), "POST", "/", strings.NewReader("order"))
	b.wantServed(key(1), "GET", "/", nil)
	if b.refused != 1 {
		t.Errorf("%d refusals, want 1", b.refused)
	}
	if v := b.ring.Status().Current; v.Refused > 0 || v.State != ring.StateAccepted {
		t.Errorf("the key's standing: %+v", v)
	}
	b.set(func() { b.ahead = 3 * time.Hour }) // more than is corrected
	if status, _ := b.do("GET", "/", nil); status != http.StatusForbidden {
		t.Errorf("status %d with a clock that is hours away", status)
	}
	if v := b.ring.Status().Current; v.Refused > 0 {
		t.Errorf("the key's standing: %+v", v)
	}
}

func TestRefusesUnusableKeys(t *testing.T) {
	for name, bad := range map[string]source.Key{
		"no id":        {Secret: source.NewSecret(drill.Sentinel)},
		"no secret":    {ID: "AKID"},
		"a scope":      {ID: "AKID/20260101", Secret: source.NewSecret(drill.Sentinel)},
		"two words":    {ID: "AKID", Secret: source.NewSecret(drill.Sentinel + " x")},
		"line break":   {ID: "AKID", Secret: source.NewSecret(drill.Sentinel + "\n")},
		"bad session":  {ID: "AKID", Secret: source.NewSecret(drill.Sentinel), Extra: map[string]source.Secret{"session_token": source.NewSecret(drill.Sentinel + "\r")}},
		"id not ASCII": {ID: "ÄKID", Secret: source.NewSecret(drill.Sentinel)},
	} {
		if _, err := sigv4.Scheme("s3", "eu-central-1").Prepare(bad); !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), drill.Sentinel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, at := range [][2]string{{"", "eu-central-1"}, {"s3", ""}} {
		if _, err := sigv4.Scheme(at[0], at[1]).Prepare(key(1)); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%q: %v", at, err)
		}
	}
}

// F91: another secret with the same access key id is another key.
func TestSameIDWithAnotherSecret(t *testing.T) {
	b := newBench(t, "execute-api", key(1))
	b.wantServed(key(1), "GET", "/", nil)
	other := key(1)
	other.Version, other.Secret = "v2", source.NewSecret(drill.Sentinel+"other")
	b.set(func() { b.keys[other.ID] = other.Secret.Expose() })
	b.store.Put(other)
	b.wantServed(other, "GET", "/", nil)
}

// F93: fmt shows the secret of neither scheme nor signer.
func TestPrintsNoSecret(t *testing.T) {
	scheme := sigv4.Scheme("execute-api", "eu-central-1")
	signer, err := scheme.Prepare(key(1))
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("GET", "https://api.example.com/", nil)
	if err := signer.Sign(req); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb+verb, scheme, signer); strings.Contains(text, drill.Sentinel) || strings.Contains(text, fmt.Sprintf("%x", drill.Sentinel)) {
			t.Errorf("%s shows the secret", verb)
		}
	}
}

// A GET of a query API that has an effect is sent once. F67
func TestActionsByGetAreSentOnce(t *testing.T) {
	once := sigv4.Scheme("ec2", "eu-central-1").Traits().NotIdempotent
	for query, want := range map[string]bool{
		"": false, "limit=10": false, "Version=1&Action=DescribeInstances": false, "Action=GetUser": false, "Action=ListUsers": false,
		"Action=RunInstances": true, "Version=2016-11-15&Action=TerminateInstances": true, "Action=SendMessage&MessageBody=Action%3DGet": true,
		"LastAction=x": false, "Action=": false,
	} {
		if got := once(httptest.NewRequest("GET", "https://ec2.amazonaws.com/?"+query, nil)); got != want {
			t.Errorf("%q: sent once %v", query, got)
		}
	}
}
