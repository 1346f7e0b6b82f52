package transport_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// An endpoint that checks no key vouches for a wrong one, and one connection knows one
// replica only. So a refusal of the new key counts for an hour, and a key that was never
// refused is not trusted before 10 minutes. Status says how often it was accepted since.
//
// F171
func TestOneWordIsNotEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := quiet(t, newStore("v2", "v1"))
		old := takes("v1")
		rt := unbound(keys, transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/market" {
				return status(http.StatusOK), nil
			}
			return old(r)
		})))
		market := func(d time.Duration) {
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
				send(t, rt, get(t, "https://a.example/market"))
			}
		}
		safe := func(want bool, since uint64) {
			t.Helper()
			st := keys.Status()
			if v := st.Versions[1]; v.SafeToRevoke != want || st.Current.AcceptedSince != since {
				t.Errorf("safe %v: %s; accepted %d times since, want %d", v.SafeToRevoke, v.Reason, st.Current.AcceptedSince, since)
			}
		}
		market(9 * time.Minute)
		safe(false, 9)
		send(t, rt, get(t, "https://a.example/order")).want(t, http.StatusOK, "v1", 2)
		refused := time.Now()
		time.Sleep(2 * time.Second)
		market(59 * time.Minute)
		safe(false, 59)
		if at := keys.Status().Current.LastRefused; !at.Equal(refused) {
			t.Errorf("refused at %v, want %v", at, refused)
		}
		market(2 * time.Minute)
		safe(true, 61)
	})
}

// A wrong key gets no acceptance if the endpoints that check none are named: then such
// requests go out without a key, and say nothing about one.
//
// F171
func TestWithoutKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := quiet(t, newStore("v2", "v1"))
		market := func(r *http.Request) bool { return r.URL.Path == "/market" }
		base := takes("v1")
		rt := unbound(keys, transport.Bearer(), transport.WithoutKey(market), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if market(r) {
				if r.Header.Get("Authorization") != "" {
					t.Error("sent with a key")
				}
				return status(http.StatusOK), nil
			}
			return base(r)
		})))
		for range 300 {
			send(t, rt, get(t, "https://a.example/market")).want(t, http.StatusOK, "", 1)
			time.Sleep(time.Minute)
		}
		if v := keys.Status().Versions[1]; v.SafeToRevoke {
			t.Errorf("safe to revoke, since %s", v.Reason)
		}
		send(t, rt, get(t, "https://a.example/order")).want(t, http.StatusOK, "v1", 2)
		if v := keys.Status().Current; v.Accepted != 0 || v.State != ring.StateRefused {
			t.Errorf("%+v", v)
		}
	})
}

// The scheme's own word on which requests need a key stays.
func TestWithoutKeyAddsToTheScheme(t *testing.T) {
	scheme := with(transport.Bearer(), func(traits *transport.Traits) {
		traits.NeedsKey = func(r *http.Request) bool { return r.URL.Path != "/time" }
	})
	rt := unbound(keep(t, newStore("v1")), scheme, transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		resp := status(http.StatusOK)
		if r.Header.Get("Authorization") != "" {
			resp.StatusCode = http.StatusAccepted
		}
		return resp, nil
	})), transport.WithoutKey(func(r *http.Request) bool {
		if r.URL.Path == "/panics" {
			panic(sentinel)
		}
		return r.URL.Path == "/market"
	}))
	for path, want := range map[string]int{"/time": http.StatusOK, "/market": http.StatusOK, "/order": http.StatusAccepted} {
		if a := send(t, rt, get(t, "https://a.example"+path)); a.StatusCode != want {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	if _, err := try(rt, get(t, "https://a.example/panics")); err == nil {
		t.Error("a panic is no error")
	}
}
