package mockapi_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// F105: Close may be called repeatedly and concurrently.
func TestCloseTwiceAndAtOnce(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAdmin(""))
	key := api.Issue(mockapi.Spec{})
	status(t, api, key, 200)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := api.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := api.Close(); err != nil {
		t.Error(err)
	}
	for _, url := range []string{api.URL(), api.KeysURL(), api.AdminURL()} {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			t.Errorf("%s still answers after Close", url)
		}
	}
}

// F104: no descriptor remains after Close, nor after a failed start. TestMain checks
// for goroutines.
func TestLeavesNoDescriptors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	once := func() {
		for _, opt := range []mockapi.Option{mockapi.WithHTTP2(), mockapi.WithAdmin("")} {
			api, err := mockapi.Start(opt)
			if err != nil {
				t.Fatal(err)
			}
			get(t, api, api.Issue(mockapi.Spec{}))
			readKeys(t, api)
			if err := api.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if api, err := mockapi.Start(mockapi.WithAdmin(taken.Addr().String())); err == nil {
			t.Fatalf("Start returned no error although the admin port is in use: %s", api.AdminURL())
		}
	}
	once() // opens what the runtime keeps open for good
	before := descriptors(t)
	for range 5 {
		once()
	}
	for ctx := within(t); descriptors(t) > before; {
		if ctx.Err() != nil {
			t.Fatalf("%d descriptors before, %d after", before, descriptors(t))
		}
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(entries)
}

func TestRefusesAddressesOffLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:80", "127.0.0.1", "localhost:0"} {
		for name, opt := range map[string]mockapi.Option{
			"api": mockapi.WithAddress(address, ""), "keys": mockapi.WithAddress("", address), "admin": mockapi.WithAdmin(address),
		} {
			api, err := mockapi.Start(opt)
			if err == nil {
				api.Close()
				t.Errorf("%s listens on %s", name, address)
			} else if !strings.HasPrefix(err.Error(), "mockapi: ") {
				t.Errorf("error %v", err)
			}
		}
	}
}

// F85: only a client that trusts the CA can connect over TLS, with HTTP/1.1 or HTTP/2.
func TestTLS(t *testing.T) {
	for _, test := range []struct {
		opt   mockapi.Option
		proto string
	}{{mockapi.WithTLS(), "HTTP/1.1"}, {mockapi.WithHTTP2(), "HTTP/2.0"}} {
		api := mockapi.New(t, test.opt)
		key := api.Issue(mockapi.Spec{})
		if a := get(t, api, key); a.Status != 200 || a.Proto != test.proto || api.Requests()[0].Proto != test.proto {
			t.Errorf("%d by %s", a.Status, a.Proto)
		}
		if a := readKeys(t, api); a.Status != 200 || a.Proto != test.proto {
			t.Errorf("%d by %s", a.Status, a.Proto)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(api.CA()) {
			t.Fatal("CA returned no certificate")
		}
		for want, config := range map[bool]*tls.Config{true: {RootCAs: pool}, false: nil} {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
			resp, err := client.Do(request(t, http.MethodGet, api.URL(), key, nil))
			if (err == nil) != want {
				t.Errorf("with the CA %v: %v", want, err)
			}
			if err == nil {
				resp.Body.Close()
			}
			client.CloseIdleConnections()
		}
	}
	api := mockapi.New(t)
	if api.TLSConfig() != nil || api.CA() != nil || !strings.HasPrefix(api.URL(), "http://127.0.0.1:") {
		t.Error("CA or TLSConfig is set without WithTLS")
	}
}

// F32: Connections shows a client that does not reuse connections.
func TestCountsConnections(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	for range 3 {
		status(t, api, key, 200)
	}
	if n := api.Connections(); n != 1 {
		t.Errorf("%d connections for requests in sequence", n)
	}
	api.Client().CloseIdleConnections()
	status(t, api, key, 200)
	if n := api.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestResetForgetsAll(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	status(t, api, v1, 200)
	send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/orders", v1, strings.NewReader("x")))
	api.SetRefusal(mockapi.Forbidden())
	api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool { return false })
	api.Hold("v1")
	api.Reset()
	status(t, api, v1, 401) // unknown after Reset, and refused by default
	if log := api.Requests(); len(log) != 1 || log[0].Seq != 1 || log[0].Version != "" || len(api.Orders()) != 0 || len(api.Keys()) != 0 {
		t.Errorf("log %+v", log)
	}
	if _, strangers := api.Count(""); strangers != 1 {
		t.Errorf("%d attempts without a known key", strangers)
	}
	again := api.Issue(mockapi.Spec{})
	if again.Version != "v1" || again.Secret.Equal(v1.Secret) {
		t.Errorf("Issue after Reset returned version %s", again.Version)
	}
	status(t, api, again, 200) // Reset has removed the hold
}

// F97: a panic in an InterceptFunc fails the test, and the server goes on.
func TestPanicInAnInterceptFailsTheTest(t *testing.T) {
	tb := &recordingTB{TB: t}
	api := mockapi.New(tb)
	key := api.Issue(mockapi.Spec{})
	for _, value := range []any{"oops", http.ErrAbortHandler} {
		api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool { panic(value) })
		if resp, err := api.Client().Do(request(t, http.MethodPost, api.URL(), key, nil)); err == nil {
			resp.Body.Close()
			t.Error("answered")
		}
	}
	api.Intercept(nil)
	status(t, api, key, 200)
	if said := tb.errors(); len(said) != 1 || !strings.Contains(said[0], "oops") {
		t.Errorf("the test got the errors %q", said)
	}
}

func TestNewFailsTheTestOnABadAddress(t *testing.T) {
	tb := &fatalTB{recordingTB: recordingTB{TB: t}}
	func() {
		defer func() { _ = recover() }()
		mockapi.New(tb, mockapi.WithAddress("192.0.2.1:0", ""))
	}()
	if !tb.fatal {
		t.Error("New did not call Fatalf")
	}
}

type fatalTB struct {
	recordingTB
	fatal bool
}

func (f *fatalTB) Fatalf(string, ...any) { f.fatal = true; panic("fatal") }

func TestNoKeyNoService(t *testing.T) {
	api := mockapi.New(t)
	status(t, api, source.Key{}, 401)
	status(t, api, source.Key{Secret: source.NewSecret("sentinel-guess")}, 401)
}
