package azure_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A source from a string leaves no connection open, neither to the vault nor to the endpoint of
// the credentials: it has no Close.
//
// F104
func TestConnectionsOfASourceString(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the vault's certificate is trusted by SSL_CERT_FILE")
	}
	var host string
	vault := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "https://" + host + "/secrets/key/v1"
		switch {
		case r.Header.Get("Authorization") != "Bearer "+conformance.Sentinel:
			// The client wants a resource that the vault's host is a subdomain of.
			_, parent, _ := strings.Cut(host, ".")
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example.com/tenant" resource="https://`+parent+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/secrets/key/versions":
			fmt.Fprintf(w, `{"value": [{"id": %q, "attributes": {"enabled": true, "created": 1}}]}`, id)
		default:
			fmt.Fprintf(w, `{"id": %q, "value": "sentinel-s-1"}`, id)
		}
	}))
	login := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token": %q, "expires_on": "%d", "token_type": "Bearer"}`, conformance.Sentinel, time.Now().Add(time.Hour).Unix())
	}))
	var opened []*storetest.Listener
	for _, server := range []*httptest.Server{vault, login} {
		l := &storetest.Listener{Listener: server.Listener}
		server.Listener, opened = l, append(opened, l)
		t.Cleanup(server.Close)
	}
	vault.EnableHTTP2 = true
	vault.StartTLS()
	login.Start()
	host = vault.Listener.Addr().String()
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vault.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trusted)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	t.Setenv("IDENTITY_ENDPOINT", login.URL)
	t.Setenv("IDENTITY_HEADER", conformance.Sentinel)
	keys, err := ring.Open(t.Context(), "azure://"+host+"/key", ring.WithLogger(nil), ring.WithFailFast())
	if err != nil {
		t.Fatal(err)
	}
	keys.Close()
	for _, l := range opened {
		l.Gone(t)
	}
}

// F103
func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"azure://acme/token?poll=1m":          "azure://acme/token",
		"azure://acme.vault.azure.cn/token":   "azure://acme.vault.azure.cn/token",
		"azure://acme/keys?format=json":       "azure://acme/keys",
		"azure://acme/key?id=user&secret=pwd": "azure://acme/key",
	} {
		storetest.Open(t, text, name)
	}
	storetest.Invalid(t,
		"azure://acme", "azure://acme/", "azure:///key", "azure://acme/a/b", "azure://acme/key?format=yaml",
		"azure://acme/key?format=json&id=a", "azure://acme/key?id=a&id=b", "azure://acme/key?token="+conformance.Sentinel, "azure://u:p@acme/key",
	)
}
