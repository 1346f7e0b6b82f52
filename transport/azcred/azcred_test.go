package azcred_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/azcred"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// Clients of the SDK over TLS are in internal/sdktest; here are its policies alone.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

func key(n int) source.Key { return drill.Key(fmt.Sprint("v", n)) }

// keep keeps a ring over a store with the first key.
func keep(t *testing.T) (*drill.Store, *ring.Ring) {
	t.Helper()
	store := drill.NewStore(key(1))
	return store, store.Keep(t)
}

// recorder answers every request, and records a header of the last.
type recorder struct {
	header string
	got    []string
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.got = req.Header.Values(r.header)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
}

// client is a pipeline with one policy, like that of the SDK's clients.
func client(auth policy.Policy, to *recorder) func(context.Context) error {
	p := runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{PerRetry: []policy.Policy{auth}}, &policy.ClientOptions{Transport: to})
	return func(ctx context.Context) error {
		req, err := runtime.NewRequest(ctx, http.MethodGet, "https://api.example.com/")
		if err != nil {
			return err
		}
		_, err = p.Do(req)
		return err
	}
}

// F119: azcore's cache asks for the token each time, at once and later.
func TestTokenCredentialIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, keys := keep(t)
		defer keys.Close()
		to := &recorder{header: "Authorization"}
		call := client(runtime.NewBearerTokenPolicy(azcred.TokenCredential(keys), []string{"https://api.example.com/.default"}, nil), to)
		n := 1
		for _, pause := range []time.Duration{0, time.Nanosecond, time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour} {
			time.Sleep(pause)
			for range 3 {
				store.Put(key(n))
				if err := keys.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n > 1 {
					time.Sleep(time.Nanosecond) // the least that there is between two calls
				}
				if err := call(t.Context()); err != nil || len(to.got) != 1 || to.got[0] != "Bearer "+key(n).Secret.Expose() {
					t.Errorf("after %v: not the key %s: %v", pause, key(n).Version, err)
				}
				n++
			}
		}
	})
}

// Concurrent calls share what azcore asks for. No call gets a key that was replaced
// before the call began.
func TestTokenCredentialUnderLoad(t *testing.T) {
	store, keys := keep(t)
	cred := runtime.NewBearerTokenPolicy(azcred.TokenCredential(keys), []string{"s"}, nil)
	var wg sync.WaitGroup
	var mu sync.RWMutex // held for writing where the key is replaced
	current := 1
	for range 6 {
		wg.Go(func() {
			to := &recorder{header: "Authorization"}
			call := client(cred, to)
			for range 200 {
				mu.RLock()
				want := key(current).Secret
				if err := call(t.Context()); err != nil || len(to.got) != 1 || !want.Equal(source.NewSecret(strings.TrimPrefix(to.got[0], "Bearer "))) {
					t.Errorf("not the key that is current: %v", err)
				}
				mu.RUnlock()
			}
		})
	}
	for n := 2; n <= 20; n++ {
		mu.Lock()
		store.Put(key(n))
		if err := keys.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		current = n
		mu.Unlock()
	}
	wg.Wait()
}

// A key credential follows the ring through switches and revocations.
func TestKeyCredentialFollowsTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, keys := keep(t)
		defer keys.Close()
		cred, stop, err := azcred.KeyCredential(keys)
		if err != nil {
			t.Fatal(err)
		}
		to := &recorder{header: "Api-Key"}
		call := client(runtime.NewKeyCredentialPolicy(cred, "Api-Key", nil), to)
		want := func(when, secret string) {
			t.Helper()
			synctest.Wait()
			if err := call(t.Context()); err != nil || len(to.got) != 1 || to.got[0] != secret {
				t.Errorf("%s: another key than the ring's: %v", when, err)
			}
		}
		put := func(list ...source.Key) {
			t.Helper()
			store.Put(list...)
			if err := keys.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want("at first", key(1).Secret.Expose())
		for n := 2; n <= 5; n++ {
			put(key(n), key(n-1))
			want("after a switch", key(n).Secret.Expose())
		}
		if err := keys.Revoke("v5"); err != nil {
			t.Fatal(err)
		}
		want("after a revocation", key(4).Secret.Expose())
		if err := keys.Revoke("v4"); err != nil {
			t.Fatal(err)
		}
		want("without a key", "")
		put(key(6))
		want("with a key again", key(6).Secret.Expose())
		stop()
		put(key(7))
		want("after stop", key(6).Secret.Expose())
		stop()
	})
}

func TestWithoutAKey(t *testing.T) {
	_, keys := keep(t)
	if err := keys.Revoke("v1"); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*ring.Ring{"no ring": nil, "revoked": keys} {
		if cred, _, err := azcred.KeyCredential(r); !errors.Is(err, source.ErrNoKey) || cred != nil {
			t.Errorf("%s: %v", name, err)
		}
		to := &recorder{header: "Authorization"}
		call := client(runtime.NewBearerTokenPolicy(azcred.TokenCredential(r), []string{"s"}, nil), to)
		if err := call(t.Context()); !errors.Is(err, source.ErrNoKey) || to.got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
