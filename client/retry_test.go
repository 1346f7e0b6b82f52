package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// failing runs f in a bubble with a client that has WithRetry(2), and an API that
// answers every third request and calls fail for the others.
func failing(t *testing.T, fail http.HandlerFunc, f func(t *testing.T, c *client.Client, api *mockapi.API)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if n++; n%3 != 0 {
				fail(w, r)
			}
		})))
		f(t, newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithRetry(2), client.WithBase(api.Client().Transport), client.WithOrigin(api.URL())), api)
	})
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// WithRetry repeats only idempotent requests, at most n times. Bodies arrive whole, and
// transport.Observe counts each try.
//
// F52, F67, F74
func TestRetry(t *testing.T) {
	stream := func() io.Reader { return io.MultiReader(strings.NewReader("stream")) }
	for name, tc := range map[string]struct {
		method string
		body   io.Reader
		header string
		tries  int
	}{
		"GET":                         {"GET", nil, "", 3},
		"PUT":                         {"PUT", strings.NewReader("whole"), "", 3},
		"PUT of a stream":             {"PUT", stream(), "", 1},
		"POST":                        {"POST", strings.NewReader("whole"), "", 1},
		"POST with Idempotency-Key":   {"POST", strings.NewReader("whole"), "Idempotency-Key", 3},
		"POST with X-Idempotency-Key": {"POST", strings.NewReader("whole"), "X-Idempotency-Key", 3},
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, unavailable, func(t *testing.T, c *client.Client, api *mockapi.API) {
				ctx, seen := transport.Observe(t.Context())
				req, err := http.NewRequestWithContext(ctx, tc.method, api.URL(), tc.body)
				if err != nil {
					t.Fatal(err)
				}
				if tc.header != "" {
					req.Header.Set(tc.header, "i-1")
				}
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				status := map[int]int{1: http.StatusServiceUnavailable, 3: http.StatusOK}[tc.tries]
				if n := len(api.Requests()); n != tc.tries || resp.StatusCode != status {
					t.Errorf("%d tries, status %d", n, resp.StatusCode)
				}
				if n := seen.Attempts(); n != tc.tries {
					t.Errorf("Observe counted %d attempts, want %d", n, tc.tries)
				}
				for _, a := range api.Requests() {
					if tc.tries > 1 && tc.body != nil && (a.BodyBytes != int64(len("whole")) || !a.BodyComplete) {
						t.Errorf("%d bytes arrived", a.BodyBytes)
					}
				}
			})
		})
	}
}

// A failure whose body does not end delays the next try by 100 ms at most.
//
// F32
func TestRetryDrainsWithinBounds(t *testing.T) {
	dripping := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	failing(t, dripping, func(t *testing.T, c *client.Client, api *mockapi.API) {
		start := time.Now()
		if code := get(t, c, api.URL()); code != http.StatusOK {
			t.Errorf("status %d", code)
		}
		// Two drains, and pauses of 200 and 400 ms, each longer by half at most.
		if d := time.Since(start); d < 800*time.Millisecond || d > 1100*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

// The same holds if Close does not end a Read of the body, or if Read panics.
//
// F32, F97
func TestRetryDrainsWhatCannotBeRead(t *testing.T) {
	for name, read := range map[string]func([]byte) (int, error){
		"hangs":  func([]byte) (int, error) { time.Sleep(time.Hour); return 0, io.EOF },
		"panics": func([]byte) (int, error) { panic("body") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				base := baseFunc(func(*http.Request) (*http.Response, error) {
					if tries++; tries > 1 {
						return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
					}
					return &http.Response{
						StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(readFunc(read)), ContentLength: -1,
					}, nil
				})
				c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-1")}), client.WithBase(base), client.WithRetry(1), client.WithOrigin("https://api.example.com"))
				defer c.Close()
				start := time.Now()
				if code := get(t, c, "https://api.example.com"); code != http.StatusOK {
					t.Errorf("status %d", code)
				}
				if d := time.Since(start); d > time.Second { // 100 ms, and a pause of 200 to 300
					t.Errorf("it took %v", d)
				}
				time.Sleep(time.Hour) // until Read returns
			})
		})
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The response of the last try is returned whole, and connections are reused.
//
// F44
func TestRetryGivesUpInGoodOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "in maintenance", http.StatusServiceUnavailable)
		})))
		c := newClient(t, source.Static(api.Issue(mockapi.Spec{})), client.WithRetry(2), client.WithBase(api.Client().Transport), client.WithOrigin(api.URL()))
		for range 2 {
			resp, err := c.Get(api.URL())
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(text) != "in maintenance\n" || resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status %d, %q, error %v", resp.StatusCode, text, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // within the first pause
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		get(t, c, api.URL())
		if tries, conns := len(api.Requests()), api.Connections(); tries != 10 || conns != 1 {
			t.Errorf("%d tries over %d connections", tries, conns)
		}
	})
}

// A retry comes no sooner than Retry-After says, and with jitter after that. If it says
// more than 5 s, the response is returned.
//
// F77
func TestRetryAfter(t *testing.T) {
	for text, tc := range map[string]struct {
		tries int
		least time.Duration // from the first try to the second
	}{
		"":                              {3, 200 * time.Millisecond},
		"0":                             {3, 200 * time.Millisecond},
		"-1":                            {3, 200 * time.Millisecond},
		"junk":                          {3, 200 * time.Millisecond},
		"Sat, 01 Jan 2000 00:00:04 GMT": {3, 4 * time.Second}, // a bubble begins at 00:00:00
		"Fri, 31 Dec 1999 23:59:59 GMT": {3, 200 * time.Millisecond},
		"5":                             {3, 5 * time.Second},
		"6":                             {1, 0},
		"60":                            {1, 0},
		"9223372037":                    {1, 0},
		"18446744074":                   {1, 0}, // in nanoseconds less than a second, modulo 2^64
		"99999999999999999999":          {1, 0},
		"Fri, 31 Dec 9999 23:59:59 GMT": {1, 0},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway} {
			failing(t, func(w http.ResponseWriter, _ *http.Request) {
				if text != "" {
					w.Header().Set("Retry-After", text)
				}
				w.WriteHeader(status)
			}, func(t *testing.T, c *client.Client, api *mockapi.API) {
				want := map[int]int{1: status, 3: http.StatusOK}[tc.tries]
				if code := get(t, c, api.URL()); code != want {
					t.Errorf("%q: status %d, want %d", text, code, want)
				}
				list := api.Requests()
				if len(list) != tc.tries {
					t.Fatalf("%q: %d tries, want %d", text, len(list), tc.tries)
				}
				if tc.tries == 1 {
					return
				}
				if d := list[1].Time.Sub(list[0].Time); d < tc.least || d > tc.least*3/2 {
					t.Errorf("%q: the second try came after %v, want %v and up to half of it more", text, d, tc.least)
				}
			})
		}
	}
}

// Clients that fail at the same time retry at different times.
//
// F77
func TestRetriesAreSpread(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 10 {
		failing(t, unavailable, func(t *testing.T, c *client.Client, api *mockapi.API) {
			get(t, c, api.URL())
			list := api.Requests()
			seen[list[1].Time.Sub(list[0].Time)] = true
		})
	}
	if len(seen) < 5 {
		t.Errorf("10 clients have only %d different pauses", len(seen))
	}
}

// WithRetry does not repeat a request whose key is refused.
func TestRetryLeavesRefusalsAlone(t *testing.T) {
	api := mockapi.New(t)
	api.Issue(mockapi.Spec{})
	c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-wrong")}),
		client.WithRetry(5), client.WithRing(ring.WithRefusalWait(0)), client.WithOrigin(api.URL()))
	if code := get(t, c, api.URL()); code != http.StatusUnauthorized {
		t.Errorf("status %d", code)
	}
	if n := len(api.Requests()); n != 1 {
		t.Errorf("%d attempts", n)
	}
}
