package client_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// What is wrong with a variable is said with its name, the cause and the forms that it
// may have, but without its value: somebody may have put the key there.
//
// F139
func TestFromEnvSaysWhatIsWrong(t *testing.T) {
	const origins, schemes = "the origins that the key may go to, separated by commas, such as https://api.example.com", "bearer, basic, header:NAME or query:NAME"
	const refused, timeout = "from 400 to 599, separated by commas, such as 401,403", "a duration with its unit, such as 30s or 2m, or 0 for no limit"
	for _, c := range []struct {
		variable, value, cause, want string
	}{
		{"ORIGIN", "", "not set", origins},
		{"ORIGIN", ",", "names no origin", origins},
		{"ORIGIN", "sentinel.example.com", "number 1 of 1: an origin has no scheme or no host", origins},
		{"ORIGIN", "https://a.example https://*.sentinel.example", "number 2 of 2: an origin has no wildcard: name each host", origins},
		{"ORIGIN", "ftp://sentinel.example", "begins with https://", origins},
		{"ORIGIN", "http://sentinel.example", "plain http is for loopback only", "https, such as https://api.example.com"},
		{"ORIGIN", "https://sentinel.example/v1", "more than a scheme, a host and a port", origins},
		{"ORIGIN", "https://sentinel\u0301.example", "ASCII", origins},
		{"KEY_SCHEME", "sentinel", "no such scheme", schemes},
		{"KEY_SCHEME", "Bearer", "no such scheme", schemes},
		{"KEY_SCHEME", "bearer:sentinel", "no such scheme", schemes},
		{"KEY_SCHEME", "header:", "the name of the header is missing", schemes},
		{"KEY_SCHEME", "query", "the name of the query is missing", schemes},
		{"KEY_SCHEME", "header:X sentinel", "a header cannot have that name", schemes},
		{"KEY_REFUSED", "sentinel", "not a list of HTTP statuses", refused},
		{"KEY_REFUSED", "401,200", "not a list of HTTP statuses", refused},
		{"KEY_REFUSED", ",", "names no status", refused},
		{"TIMEOUT", "30", "not a duration", timeout},
		{"TIMEOUT", "sentinel", "not a duration", timeout},
		{"TIMEOUT", "-1s", "negative", timeout},
		{"KEY_SOURCE", "nowhere://sentinel:sentinel@x", "must not contain credentials", "file:///run/secrets/api-key"},
		{"KEY_SOURCE", "sentinel", "want a source string", "file:///run/secrets/api-key"},
		{"KEY_SOURCE", "file:///run/key?overlap=sentinel", "overlap must be one duration", "file:///run/secrets/api-key"},
	} {
		t.Run(c.variable+" "+c.value, func(t *testing.T) {
			t.Setenv("UP_API_KEY", "id")
			t.Setenv("UP_API_SECRET", "sentinel-key")
			t.Setenv("UP_ORIGIN", "https://api.example.com")
			t.Setenv("UP_"+c.variable, c.value)
			_, err := client.FromEnv(t.Context(), "UP", client.WithRing(ring.WithLogger(nil), ring.WithFailFast()))
			if !errors.Is(err, source.ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			text := err.Error()
			for _, part := range []string{"environment variable UP_" + c.variable + ": ", c.cause, "want ", c.want} {
				if !strings.Contains(text, part) {
					t.Errorf("the error %q does not have %q", text, part)
				}
			}
			if strings.Contains(text, "sentinel") || strings.Contains(text, "invalid key data: env") {
				t.Errorf("the error %q shows the value, or calls it a key", text)
			}
		})
	}
}

// Everything that is wrong is said at once.
//
// F139
func TestFromEnvNamesEveryVariable(t *testing.T) {
	names := []string{"UP_ORIGIN", "UP_KEY_SCHEME", "UP_KEY_REFUSED", "UP_TIMEOUT", "UP_KEY_SOURCE"}
	for _, name := range names {
		t.Setenv(name, "sentinel")
	}
	_, err := client.FromEnv(t.Context(), "UP")
	for _, name := range names {
		if err == nil || !strings.Contains(err.Error(), name+":") {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}

// An origin in the options is enough, and an origin in the environment overrides that of
// a profile: so a test network takes one variable.
//
// F139
func TestFromEnvOrigins(t *testing.T) {
	t.Setenv("UP_API_KEY", "id")
	t.Setenv("UP_API_SECRET", "c2VudGluZWw=")
	profile := client.WithProvider(provider.Kraken())
	for name, c := range map[string]struct {
		variable  string
		opts      []client.Option
		forbidden string
	}{
		"an option":       {"", []client.Option{client.WithOrigin("https://a.example")}, "https://b.example"},
		"a profile":       {"", []client.Option{profile}, "https://a.example"},
		"over a profile":  {"https://a.example", []client.Option{profile}, "https://api.kraken.com"},
		"under an option": {"https://b.example", []client.Option{client.WithOrigin("https://a.example")}, "https://b.example"},
	} {
		os.Unsetenv("UP_ORIGIN")
		if c.variable != "" {
			t.Setenv("UP_ORIGIN", c.variable)
		}
		sent := 0
		base := client.WithBase(baseFunc(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cl, err := client.FromEnv(ctx, "UP", append(c.opts, base, client.WithRing(ring.WithLogger(nil)))...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := cl.Get(c.forbidden); !errors.Is(err, transport.ErrOrigin) || sent != 0 {
			t.Errorf("%s: the key went to %s: %v", name, c.forbidden, err)
		}
		cl.Close()
	}
}

// UP_KEY_REFUSED says with which statuses an API refuses keys.
//
// F138
func TestFromEnvRefused(t *testing.T) {
	t.Setenv("UP_ORIGIN", "https://a.example")
	t.Setenv("UP_API_KEY", "id")
	t.Setenv("UP_API_SECRET", "sentinel-key")
	for value, refusals := range map[string]uint64{"": 0, "403": 1, "401,403": 1, "401": 0} {
		t.Setenv("UP_KEY_REFUSED", value)
		c, err := client.FromEnv(t.Context(), "UP", client.WithBase(baseFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody}, nil
		})), client.WithRing(ring.WithLogger(nil), ring.WithRefusalWait(0)))
		if err != nil {
			t.Fatal(err)
		}
		if code := get(t, c, "https://a.example"); code != http.StatusForbidden {
			t.Errorf("status %d", code)
		}
		if n := c.Status().Current.Refused; n != refusals {
			t.Errorf("%q: %d refusals", value, n)
		}
		c.Close()
	}
}
