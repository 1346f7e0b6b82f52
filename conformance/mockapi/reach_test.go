package mockapi_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

const token = mockapi.Sentinel + "token"

// Without a token the server listens on loopback only, and the error says what to do. With
// one it tries: no machine has the address 192.0.2.1 (RFC 5737).
func TestOtherMachinesNeedAToken(t *testing.T) {
	const elsewhere = "192.0.2.1:0"
	for name, opt := range map[string]mockapi.Option{
		"API": mockapi.WithAddress(elsewhere, ""), "keys": mockapi.WithAddress("", elsewhere), "admin": mockapi.WithAdmin(elsewhere),
		"every interface": mockapi.WithAdmin("0.0.0.0:0"), "in short": mockapi.WithAdmin(":0"), "a name": mockapi.WithAdmin("mock.invalid:0"),
	} {
		if _, err := mockapi.Start(opt, mockapi.WithToken("", "mock")); err == nil ||
			!strings.Contains(err.Error(), "needs a token") || !strings.Contains(err.Error(), "-token-env") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := mockapi.Start(mockapi.WithAdmin(elsewhere), mockapi.WithToken(token, "mock"))
	if err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("with a token: %v", err)
	}
}

// With a token, the admin API and the key document need it, whatever the Host. The API
// itself needs a key only. The server is reached by its host name.
func TestToken(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"plain": nil, "TLS": {mockapi.WithTLS()}, "memory": {mockapi.WithMemory()}} {
		t.Run(name, func(t *testing.T) {
			api := start(t, append(opts, mockapi.WithToken(token, "mock.example"))...)
			key := api.Issue(mockapi.Spec{})
			for _, url := range []string{api.KeysURL(), api.AdminURL() + "keys", api.AdminURL(), api.AdminURL() + "openapi.json"} {
				if name != "memory" && !strings.Contains(url, "//mock.example:") {
					t.Errorf("URL %s", url)
				}
				for sent, want := range map[string]int{"": 401, "Bearer " + token: 200, "Bearer " + token + "x": 401, "Bearer ": 401, token: 401} {
					r := request(t, http.MethodGet, url, source.Key{}, nil)
					r.Host = "mock.example"
					if sent != "" {
						r.Header.Set("Authorization", sent)
					}
					a := send(t, api.Client(), r)
					if a.Status != want || strings.Contains(a.Body, token) || want != 200 && strings.Contains(a.Body, key.Secret.Expose()) {
						t.Errorf("%s: %d, want %d: %s", url, a.Status, want, a.Body)
					}
				}
			}
			if a := send(t, api.Client(), request(t, http.MethodGet, api.URL(), key, nil)); a.Status != 200 {
				t.Errorf("the API: %d %s", a.Status, a.Body)
			}
			r := request(t, http.MethodPost, api.AdminURL()+"revoke", source.Key{}, strings.NewReader(`{"version":"v1"}`))
			if a := send(t, api.Client(), r); a.Status != 401 {
				t.Errorf("revoke: %d", a.Status)
			}
		})
	}
}

// The OpenAPI document says which calls need the token.
func TestOpenAPIWithAToken(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAdmin(""), mockapi.WithToken(token, ""))
	for path, item := range readOpenAPI(t, api, "Authorization", "Bearer "+token).Paths {
		for method, o := range item.operations() {
			if needs := path == "/keys" || strings.HasPrefix(path, "/admin/"); (len(o.Security) == 1) != needs {
				t.Errorf("%s %s: security %v", method, path, o.Security)
			}
		}
	}
}

func TestProgramWithAToken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := mockapi.Program(ctx, args, nil, &out, &out)
		noSecret(t, "the output", out.String())
		return out.String(), err
	}
	t.Setenv("MOCKAPI_TEST_TOKEN", token)
	t.Setenv("MOCKAPI_TEST_EMPTY", "")
	if out, err := run("-token-env", "MOCKAPI_TEST_TOKEN", "-host", "mock"); err != nil || !strings.Contains(out, `"admin_url":"http://mock:`) {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"-token-env", "MOCKAPI_TEST_EMPTY"}, {"-token-env", "MOCKAPI_TEST_NONE"}, {"-host", "mock"}, {"-admin", "0.0.0.0:0"}} {
		if out, err := run(args...); err == nil || !strings.Contains(err.Error(), "-token-env") || out != "" {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
}
