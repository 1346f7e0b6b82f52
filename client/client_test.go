package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mount replaces the file at path by a new one with the key, by renaming.
func mount(t *testing.T, path string, key source.Key) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(key.Secret.Expose()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T, src source.Source, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), src, append([]client.Option{client.WithRing(ring.WithLogger(nil))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t *testing.T, c *client.Client, url string) int {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// The client follows a rotation of its file without a failed request, whether
// the server or the file changes first. Status reports the switch.
//
// F61
func TestRotatesFile(t *testing.T) {
	api := mockapi.New(t)
	path := filepath.Join(t.TempDir(), "api-key")
	mount(t, path, api.Issue(mockapi.Spec{}))
	c := newClient(t, file.New(path), client.WithOrigin(api.URL()))
	first := c.Status().Current.Version
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	next := api.Rotate(0) // the server moves first
	time.AfterFunc(50*time.Millisecond, func() { mount(t, path, next) })
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Errorf("status %d while the server was ahead", code)
	}
	if v := c.Status().Current.Version; v == first {
		t.Error("no switch")
	}
	late := api.Issue(mockapi.Spec{Inactive: true}) // the file moves first
	mount(t, path, late)
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Errorf("status %d while the file was ahead", code)
	}
	if st := c.Status(); st.InUse == st.Current.Version || st.Current.State != ring.StateRefused {
		t.Errorf("status %+v", st)
	}
}

// A key that the scheme cannot use does not count as the first key, and never
// replaces a usable one.
func TestUnusableKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"keys":[{"version":"v1","secret":"sentinel\r\nX-Evil: 1"}]}`)
	src := file.New(path, file.WithDecoder(source.Document))
	_, err := client.New(t.Context(), src, client.WithOrigin("https://api.example.com"), client.WithRing(ring.WithFailFast(), ring.WithLogger(nil)))
	if !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), "sentinel") {
		t.Fatalf("error %v", err)
	}
	write(`{"keys":[{"version":"v1","secret":"sentinel-good"}]}`)
	c := newClient(t, src, client.WithOrigin("https://api.example.com"))
	write(`{"keys":[{"version":"v2","secret":"sentinel\r\nX-Evil: 1"}]}`)
	if err := c.Refresh(t.Context()); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("error %v", err)
	}
	if v := c.Status().InUse; v != "v1" {
		t.Errorf("in use %q", v)
	}
}

// F106: after Close a request fails with a typed error.
func TestClose(t *testing.T) {
	api := mockapi.New(t)
	c := newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithOrigin(api.URL()))
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Get(api.URL()); !errors.Is(err, ring.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// WithProvider alone sets the scheme and the origins.
func TestWithProvider(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAuth(mockapi.Header("X-Api-Key")))
	p := provider.Generic(transport.Header("X-Api-Key"), api.URL())
	c := newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithProvider(p))
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	if _, err := c.Get("https://elsewhere.example/"); !errors.Is(err, transport.ErrOrigin) {
		t.Errorf("error %v", err)
	}
}

// FromEnv needs nothing but the environment, and an invalid variable is an error
// that does not show its value.
func TestFromEnv(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAuth(mockapi.Basic()))
	key := api.Issue(mockapi.Spec{})
	t.Setenv("UP_API_KEY", key.ID)
	t.Setenv("UP_API_SECRET", key.Secret.Expose())
	t.Setenv("UP_KEY_SCHEME", "basic")
	t.Setenv("UP_ORIGIN", api.URL())
	t.Setenv("UP_TIMEOUT", "5s")
	c, err := client.FromEnv(t.Context(), "UP", client.WithRing(ring.WithLogger(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if code := get(t, c, api.URL()); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	for _, bad := range [][2]string{
		{"UP_KEY_SCHEME", "sentinel"}, {"UP_KEY_SCHEME", "header:X sentinel-1"}, {"UP_KEY_SCHEME", "header:"}, {"UP_KEY_SCHEME", "query:"},
		{"UP_TIMEOUT", "sentinel"}, {"UP_KEY_SOURCE", "nowhere://sentinel:sentinel@x"},
	} {
		name, value := bad[0], bad[1]
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // New waits for a usable key until ctx ends
			defer cancel()
			_, err := client.FromEnv(ctx, "UP", client.WithRing(ring.WithLogger(nil)))
			if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// F109, F134: without a source, a scheme or a key, New fails at once and does not panic.
func TestNothingGiven(t *testing.T) {
	origin := client.WithOrigin("https://api.example.com")
	if _, err := client.FromEnv(context.Background(), "RK_UNSET", origin, client.WithRing(ring.WithLogger(nil))); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
	if _, err := client.New(t.Context(), nil, origin); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
	if _, err := client.New(t.Context(), source.Static(source.Key{}), client.WithScheme(nil)); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
	if _, err := client.New(t.Context(), source.Static(source.Key{}), origin, client.WithRing(ring.WithFailFast(), ring.WithLogger(nil))); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
}

// F109: the requests of a zero Client fail and send nothing; no method panics.
func TestZeroClient(t *testing.T) {
	api := mockapi.New(t)
	for name, do := range map[string]func(*client.Client) (*http.Response, error){
		"Do": func(c *client.Client) (*http.Response, error) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL(), nil)
			return c.Do(req)
		},
		"Get":  func(c *client.Client) (*http.Response, error) { return c.Get(api.URL()) },
		"Head": func(c *client.Client) (*http.Response, error) { return c.Head(api.URL()) },
		"Post": func(c *client.Client) (*http.Response, error) {
			return c.Post(api.URL(), "text/plain", strings.NewReader("x"))
		},
		"PostForm": func(c *client.Client) (*http.Response, error) { return c.PostForm(api.URL(), nil) },
		"Transport": func(c *client.Client) (*http.Response, error) {
			return (&http.Client{Transport: c.Transport()}).Get(api.URL())
		},
		"Middleware": func(c *client.Client) (*http.Response, error) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL(), nil)
			return c.Transport().Middleware(req, http.DefaultClient.Do)
		},
		"Sign": func(c *client.Client) (*http.Response, error) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL(), nil)
			_, err := c.Transport().Sign(req)
			return nil, errors.Join(err, c.Transport().Err())
		},
	} {
		c := &client.Client{}
		resp, err := do(c)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%s: error %v", name, err)
		}
		c.CloseIdleConnections()
		c.Transport().CloseIdleConnections()
		if st := c.Status(); st.Healthy || c.Refresh(t.Context()) == nil || c.Ring() != nil || c.Close() != nil {
			t.Errorf("%s: status %+v", name, st)
		}
	}
	if n := len(api.Requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}
