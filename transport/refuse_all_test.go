package transport_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// An origin that refuses everything sees the keys that may be used, a few for each request,
// and no others: see SECURITY.md. Whoever wants it to see one key only lists one, and keeps
// none.
//
// F183
func TestOriginThatRefusesEverything(t *testing.T) {
	for name, c := range map[string]struct {
		opts []ring.Option
		set  func(now time.Time) []source.Set
		want []string
	}{
		"a list": {nil, func(now time.Time) []source.Set {
			set := listed("v7", "v6", "v5", "v4", "v3", "v2", "v1")
			set.Keys[0].NotBefore = now.Add(1000 * time.Hour)
			set.Keys[5].ExpiresAt = now.Add(time.Minute)
			set.Revoked = []string{"v1"}
			return []source.Set{set}
		}, []string{"v3", "v4", "v5", "v6"}},
		"one after the other, with an overlap": {nil, func(time.Time) []source.Set {
			return []source.Set{{Keys: []source.Key{key("v1")}}, {Keys: []source.Key{key("v2")}}}
		}, []string{"v1", "v2"}},
		"one after the other, without": {[]ring.Option{ring.WithOverlap(0)}, func(time.Time) []source.Set {
			return []source.Set{{Keys: []source.Key{key("v1")}}, {Keys: []source.Key{key("v2")}}}
		}, []string{"v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				var keys *ring.Ring
				for i, set := range c.set(time.Now()) {
					s.mu.Lock()
					s.set = set
					s.mu.Unlock()
					if i == 0 {
						keys = quiet(t, s, append(c.opts, ring.WithRefusalWait(0))...)
					} else if err := keys.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				var seen []string
				rt := unbound(keys, transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
					seen = append(seen, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "+sentinel))
					return status(http.StatusUnauthorized), nil
				})))
				for range 100 {
					before := len(seen)
					send(t, rt, get(t, "https://a.example/"))
					if n := len(seen) - before; n > 4 {
						t.Errorf("%d attempts of one request", n)
					}
					time.Sleep(10 * time.Second)
				}
				slices.Sort(seen)
				if seen = slices.Compact(seen); !slices.Equal(seen, c.want) {
					t.Errorf("it has seen %q, want %q", seen, c.want)
				}
			})
		})
	}
}
