package mockapi_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// F69: keys become valid and expire exactly on time, without any call.
func TestLivesFollowTheClock(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{
		"HTTP/1.1": {mockapi.WithMemory()}, "HTTP/2": {mockapi.WithMemory(), mockapi.WithHTTP2()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, append(opts, mockapi.WithReplicas(2), mockapi.WithPropagation(func(replica int) time.Duration {
					return time.Duration(replica) * time.Minute
				}))...)
				v1 := api.Issue(mockapi.Spec{After: time.Hour, ValidFor: 24 * time.Hour})
				at := func(d time.Duration, first, second int) {
					t.Helper()
					time.Sleep(time.Until(v1.CreatedAt.Add(d)))
					status(t, api, v1, first, mockapi.ReplicaHeader, "0")
					status(t, api, v1, second, mockapi.ReplicaHeader, "1")
				}
				at(time.Hour-1, 401, 401)
				at(time.Hour, 200, 401)
				at(time.Hour+time.Minute, 200, 200)
				v2 := api.Rotate(30 * time.Minute)
				at(time.Hour+31*time.Minute-1, 200, 200)
				at(time.Hour+31*time.Minute, 401, 401)
				status(t, api, v2, 200)
			})
		})
	}
}

// A long poll (RFC 7240) waits for a minute at most, and as long as its response says.
func TestLongPollHoldsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory())
		api.Issue(mockapi.Spec{})
		etag := readKeys(t, api).Header.Get("ETag")
		for prefer, want := range map[string]time.Duration{"wait=10": 10 * time.Second, "wait=9999": time.Minute} {
			from := time.Now()
			a := readKeys(t, api, "If-None-Match", etag, "Prefer", prefer)
			if got := time.Since(from); a.Status != 304 || got != want {
				t.Errorf("%s: %d after %v", prefer, a.Status, got)
			}
		}
	})
}

// F32: Delay and Drip of a refusal take exactly as long as set.
func TestSlowRefusalTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithRefusal(mockapi.Refusal{
			Delay: time.Minute, Drip: time.Second, Body: "slow",
		}))
		from := time.Now()
		resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), source.Key{}, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := time.Since(from); got != time.Minute {
			t.Errorf("header after %v", got)
		}
		for i := range 4 {
			if _, err := resp.Body.Read(make([]byte, 4)); err != nil && i < 3 {
				t.Fatal(err)
			}
			if got := time.Since(from); got != time.Minute+time.Duration(i+1)*time.Second {
				t.Errorf("byte %d after %v", i+1, got)
			}
		}
	})
}

// F106: Close waits 5 s for a handler that ignores its context, and returns an error.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory())
		stuck, release := make(chan struct{}), make(chan struct{})
		api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool {
			close(stuck)
			<-release
			return false
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), source.Key{}, nil)); err == nil {
				resp.Body.Close()
			}
		}()
		<-stuck
		from := time.Now()
		if err := api.Close(); err == nil || time.Since(from) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(from))
		}
		close(release)
		<-done
	})
}

func TestMemoryReachesItsOwnAddressesOnly(t *testing.T) {
	api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithAdmin(""))
	for _, url := range []string{api.KeysURL(), api.AdminURL()} {
		if a := send(t, api.Client(), request(t, http.MethodGet, url, source.Key{}, nil)); a.Status != 200 {
			t.Errorf("%s: %d", url, a.Status)
		}
	}
	if conn, err := api.Dial(t.Context(), "tcp", "127.0.0.1:9"); err == nil {
		conn.Close()
		t.Error("Dial reached port 9, where nothing listens")
	}
	_ = api.Close()
	if conn, err := api.Dial(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
		conn.Close()
		t.Error("Dial reached a closed server")
	}
}
