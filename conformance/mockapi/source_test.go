package mockapi_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/remote"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A ring in a bubble reads the mock's keys directly, from its endpoint and from a file, as
// the manual says; a day of overlap passes without waiting.
//
// F140
func TestRingsInABubble(t *testing.T) {
	for name, c := range map[string]struct {
		open  func(t *testing.T, api *mockapi.API) (src source.Source, publish func(source.Key))
		opts  []mockapi.Option
		delay time.Duration // until a new key is in use
	}{
		"directly": {open: func(_ *testing.T, api *mockapi.API) (source.Source, func(source.Key)) {
			return api.Source(), func(source.Key) {}
		}},
		"endpoint": {open: func(t *testing.T, api *mockapi.API) (source.Source, func(source.Key)) {
			src, err := remote.New(api.KeysURL(), remote.WithDialer(api.Dial))
			if err != nil {
				t.Fatal(err)
			}
			return src, func(source.Key) {}
		}, delay: time.Second},
		"endpoint, TLS": {open: func(t *testing.T, api *mockapi.API) (source.Source, func(source.Key)) {
			src, err := remote.New(api.KeysURL(), remote.WithDialer(api.Dial), remote.WithTLS(api.TLSConfig()))
			if err != nil {
				t.Fatal(err)
			}
			return src, func(source.Key) {}
		}, opts: []mockapi.Option{mockapi.WithHTTP2()}, delay: time.Second},
		"file": {open: func(t *testing.T, _ *mockapi.API) (source.Source, func(source.Key)) {
			path := filepath.Join(t.TempDir(), "key")
			return struct{ source.Source }{file.New(path)}, func(key source.Key) {
				if err := os.WriteFile(path, []byte(key.Secret.Expose()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, delay: 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, append(c.opts, mockapi.WithMemory())...)
				src, publish := c.open(t, api)
				publish(api.Issue(mockapi.Spec{}))
				keys, err := ring.Keep(t.Context(), src, ring.WithPoll(5*time.Minute), ring.WithLogger(nil))
				if err != nil {
					t.Fatal(err)
				}
				defer keys.Close()
				client := &http.Client{Transport: transport.New(keys, transport.Bearer(), transport.WithOrigin(api.URL()), transport.WithBase(api.Client().Transport))}
				serves := func(want string) {
					t.Helper()
					resp, err := client.Get(api.URL())
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					if got := resp.Header.Get(mockapi.VersionHeader); resp.StatusCode != http.StatusOK || got != want {
						t.Errorf("status %d with %q, want %s", resp.StatusCode, got, want)
					}
				}
				serves("v1")
				begun := time.Now()
				time.Sleep(time.Hour)
				publish(api.Rotate(24 * time.Hour))
				time.Sleep(c.delay)
				synctest.Wait()
				serves("v2")
				time.Sleep(24 * time.Hour)
				serves("v2")
				if d := time.Since(begun); d != 25*time.Hour+c.delay {
					t.Errorf("%v passed", d)
				}
			})
		})
	}
}

// The source ends with its context and with its API, and counts its readings.
func TestSourceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory())
		src := api.Source()
		api.Issue(mockapi.Spec{})
		ctx, cancel := context.WithCancel(t.Context())
		if set, err := src.Read(ctx); err != nil || len(set.Keys) != 1 || !set.Complete {
			t.Errorf("%+v, %v", set, err)
		}
		told := 0
		go func() {
			time.Sleep(time.Hour)
			api.Rotate(time.Hour)
			synctest.Wait()
			cancel()
		}()
		if err := src.Notify(ctx, func() { told++ }); err != nil || told != 2 {
			t.Errorf("told %d times, %v", told, err)
		}
		if _, err := src.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if n, _ := api.KeyReads(); n != 1 {
			t.Errorf("%d readings", n)
		}
		_ = api.Close()
		if err := src.Notify(t.Context(), func() {}); err != nil {
			t.Error(err)
		}
	})
}
