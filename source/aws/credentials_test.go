package aws_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// F88: credentials from the endpoint of ECS or EKS Pod Identity are requested again when they
// expire.
func TestContainerCredentials(t *testing.T) {
	s := newStub(t)
	s.rotate("v1", "sentinel-token-1")
	var asked atomic.Int64
	var broken atomic.Bool
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("proof\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "proof" || broken.Load() {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(map[string]string{"code": conformance.Sentinel, "message": conformance.Sentinel})
			return
		}
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": conformance.Sentinel, "Token": conformance.Sentinel,
			"Expiration": time.Now().Add(-time.Minute), // they have expired already
		})
	}))
	defer container.Close()
	t.Setenv("AWS_ENDPOINT_URL", "http://"+s.addr)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	src, _, err := source.Parse("aws://eu-central-1/prod/key")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Read(t, src, "v1")
	before := asked.Load()
	storetest.Read(t, src, "v1")
	if before == 0 || asked.Load() <= before {
		t.Errorf("asked %d times, then %d", before, asked.Load())
	}

	broken.Store(true)
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), conformance.Sentinel) {
		t.Errorf("an endpoint that refuses: %v", err)
	}
	broken.Store(false)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Errorf("without the token's file: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE") // keys in the environment take precedence
	t.Setenv("AWS_SECRET_ACCESS_KEY", conformance.Sentinel)
	storetest.Read(t, src, "v1")
}

func TestContainerEndpointStaysOnTheHost(t *testing.T) {
	for _, bad := range []string{"http://example.com/", "http://169.254.169.254/", "http://10.0.0.1/", "ftp://127.0.0.1/", "x", "http://localhost.example.com/"} {
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", bad)
		if _, _, err := source.Parse("aws://eu-central-1/prod/key"); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"http://127.0.0.1:1/", "http://[::1]:1/", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1", "https://example.com/"} {
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", good)
		if _, _, err := source.Parse("aws://eu-central-1/prod/key"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
