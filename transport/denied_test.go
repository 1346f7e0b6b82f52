package transport_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// denies answers 200 to v1 and code to every other version.
func denies(code int) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") == "Bearer "+sentinel+"v1" {
			return status(http.StatusOK), nil
		}
		return status(code), nil
	}
}

// says is a classifier that says v of every 403.
func says(v transport.Verdict) transport.Option {
	return transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
		if a.Status == http.StatusForbidden {
			return v
		}
		return transport.Passed
	})
}

// At an API that refuses keys with 403 a bad new key is reported, by an event and in the
// log, with the option that makes it a refusal: after the third 403, and then once a
// minute. With the option the requests fall back.
//
// F138
func TestNewVersionThatOnlyGets403(t *testing.T) {
	for name, c := range map[string]struct {
		code   int
		opts   []transport.Option
		warned []int // the numbers of the requests after which a Warning comes
	}{
		"403":                      {http.StatusForbidden, nil, []int{3, 5}},
		"the option":               {http.StatusForbidden, []transport.Option{transport.WithClassifier(transport.Statuses(403))}, nil},
		"404":                      {http.StatusNotFound, nil, nil},
		"ambiguous":                {http.StatusForbidden, []transport.Option{says(transport.Ambiguous)}, []int{3, 5}},
		"not about the key at all": {http.StatusForbidden, []transport.Option{says(transport.Inconclusive)}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := newStore("v1")
			keys := quiet(t, s, ring.WithRefusalWait(0), ring.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			var told []ring.Event
			defer keys.Subscribe(func(e ring.Event) {
				if e.Kind == ring.Warning {
					told = append(told, e)
				}
			})()
			opts := append([]transport.Option{transport.WithBase(denies(c.code)), transport.WithOrigin("https://a.example")}, c.opts...)
			rt := transport.New(keys, transport.Bearer(), opts...)
			send(t, rt, get(t, "https://a.example")).want(t, http.StatusOK, "v1", 1)
			if name == "ambiguous" { // else v1 would be accepted in place of v2
				move(t, keys, s, "v2")
			} else {
				move(t, keys, s, "v2", "v1")
			}
			var at []int
			for i := 1; i <= 5; i++ {
				before := len(told)
				send(t, rt, get(t, "https://a.example"))
				synctest.Wait()
				if len(told) > before {
					at = append(at, i)
				}
				if i == 4 {
					time.Sleep(time.Minute)
				}
			}
			if len(at) != len(c.warned) || len(at) == 2 && (at[0] != 3 || at[1] != 5) {
				t.Fatalf("%s: Warnings after the requests %d, want %d", name, at, c.warned)
			}
			for _, e := range told {
				text := e.Err.Error()
				want := []string{`version "v2"`, `version "v1" was accepted`, "Statuses(401, 403)", "KEY_REFUSED=401,403", "profile"}
				if name == "ambiguous" {
					want = []string{`version "v2"`, `version "v1" was accepted`, "look up at the API"}
				}
				for _, part := range want {
					if !strings.Contains(text, part) {
						t.Errorf("%s: %q does not have %q", name, text, part)
					}
				}
				if e.Version != "v2" || strings.Contains(text, sentinel) {
					t.Errorf("%s: event %+v", name, e)
				}
			}
			if logged := strings.Contains(log.String(), "level=WARN msg=\"rollingkeys: warning\""); logged != (len(told) > 0) {
				t.Errorf("%s: log %s", name, log.String())
			}
			if name == "the option" && keys.Status().InUse != "v1" {
				t.Errorf("%s: in use %s", name, keys.Status().InUse)
			}
		})
	}
}

// There is no Warning about a version that was accepted, nor where no other version was:
// the 403s are about the requests.
//
// F138
func TestNoWarningWhereNothingTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore("v1")
		keys := quiet(t, s)
		warned := 0
		defer keys.Subscribe(func(e ring.Event) {
			if e.Kind == ring.Warning {
				warned++
			}
		})()
		rt := func(code int) http.RoundTripper {
			return unbound(keys, transport.Bearer(), transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) { return status(code), nil })))
		}
		get403, get200 := rt(http.StatusForbidden), rt(http.StatusOK)
		for range 5 {
			send(t, get403, get(t, "https://a.example")) // nothing was ever accepted
		}
		send(t, get200, get(t, "https://a.example"))
		move(t, keys, s, "v2", "v1")
		send(t, get200, get(t, "https://a.example"))
		for range 5 {
			send(t, get403, get(t, "https://a.example"))
		}
		synctest.Wait()
		if warned != 0 {
			t.Errorf("%d Warnings", warned)
		}
	})
}
