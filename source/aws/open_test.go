package aws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// TestParseOfReadme reads the secret that the README names.
func TestParseOfReadme(t *testing.T) {
	const text = "aws://eu-central-1/prod/key"
	readme, err := os.ReadFile("../../README.md")
	if err != nil || !strings.Contains(string(readme), fmt.Sprintf("client.Parse(ctx, %q", text)) {
		t.Fatalf("the README does not parse %s (%v)", text, err)
	}
	s := newStub(t)
	s.rotate("v1", "sentinel-s-1")
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://"+s.addr)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", conformance.Sentinel+"own")
	if set := storetest.Read(t, storetest.Open(t, text, text), "v1"); set.Keys[0].Secret.Expose() != "sentinel-s-1" {
		t.Error("another key was read")
	}
}

// A source from a string leaves no connection open, neither to the service nor to the endpoint
// of the credentials: it has no Close.
//
// F104
func TestConnectionsOfASourceString(t *testing.T) {
	s := newStub(t)
	s.rotate("v1", "sentinel-s-1")
	service := httptest.NewUnstartedServer(s)
	container := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": conformance.Sentinel})
	}))
	var opened []*storetest.Listener
	for _, server := range []*httptest.Server{service, container} {
		l := &storetest.Listener{Listener: server.Listener}
		server.Listener, opened = l, append(opened, l)
		server.Start()
		t.Cleanup(server.Close)
	}
	t.Setenv("AWS_ENDPOINT_URL", service.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	keys, err := ring.Open(t.Context(), "aws://eu-central-1/prod/key", ring.WithLogger(nil))
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
	s := newStub(t)
	s.rotate("v1", `{"user":"id-1","pass":"sentinel-s-1"}`)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://"+s.addr)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", conformance.Sentinel+"own")
	for text, name := range map[string]string{
		"aws://eu-central-1/prod/key?id=user&secret=pass": "aws://eu-central-1/prod/key",
		"aws:///prod/key?secret=pass&poll=1m":             "aws://eu-west-1/prod/key",
	} {
		if set := storetest.Read(t, storetest.Open(t, text, name), "v1"); set.Keys[0].Secret.Expose() != "sentinel-s-1" {
			t.Errorf("%s does not read the field", text)
		}
	}

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	src := storetest.Open(t, "aws:///prod/key", "aws://eu-west-1/prod/key")
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without credentials: %v", err)
	}

	storetest.Invalid(t,
		"aws://eu-central-1", "aws://eu-central-1/", "aws://eu-central-1/x?format=yaml", "aws://eu-central-1/x?format=json&id=a",
		"aws://eu-central-1/x?id=a&id=b", "aws://eu-central-1/x?token="+conformance.Sentinel, "aws://u:p@eu-central-1/x",
	)
	t.Setenv("AWS_REGION", "")
	storetest.Invalid(t, "aws:///prod/key")
}
