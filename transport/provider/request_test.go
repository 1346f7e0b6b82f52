package provider_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ids atomic.Int64

// uniqueID returns a key id that no other test uses, because nonces are counted for
// each id for the life of the process.
func uniqueID() string { return fmt.Sprintf("id-%d", ids.Add(1)) }

func at(t time.Time) provider.Option { return provider.WithNow(func() time.Time { return t }) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func newRequest(t testing.TB, method, url, query, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.RawQuery = query
	return req
}

func sign(t testing.TB, s transport.Scheme, key source.Key, req *http.Request) {
	t.Helper()
	signer, err := s.Prepare(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(req); err != nil {
		t.Fatal(err)
	}
}

// bodyOf reads the body that would be sent, and compares its length with ContentLength.
func bodyOf(t testing.TB, req *http.Request) string {
	t.Helper()
	if req.Body == nil {
		return ""
	}
	body, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != req.ContentLength {
		t.Errorf("ContentLength %d of a body of %d bytes", req.ContentLength, len(data))
	}
	return string(data)
}

func pair(secret string) source.Key {
	return source.Key{
		ID: uniqueID(), Secret: source.NewSecret(secret),
		Extra: map[string]source.Secret{"passphrase": source.NewSecret("sentinel-phrase")},
	}
}
