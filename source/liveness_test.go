package source_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Whatever odd answers came before, of a server that takes one of the keys for good,
// requests are served again after a while, all of them: no key that is good is given
// up. Be it that refused requests can be sent again, or that none can; that refusals
// are doubtful, or that keys lock out.
//
// F58, F60, F65, F68
func TestGoodKeyIsFound(t *testing.T) {
	for _, c := range []struct {
		name                 string
		opts                 []source.Option
		repeatable, doubtful bool
	}{
		{"repeatable", nil, true, false},
		{"unrepeatable", nil, false, false},
		{"doubtful", nil, true, true},
		{"lockout", []source.Option{source.WithLockout()}, true, false},
		{"lockout, unrepeatable", []source.Option{source.WithLockout()}, false, false},
		{"lockout, doubtful", []source.Option{source.WithLockout()}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(150) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 0))
					names := []string{"v3", "v2", "v1"}[:2+random.IntN(2)]
					good := names[random.IntN(len(names))]
					opts := append([]source.Option{source.WithPoll(time.Hour), source.WithRefusalWait(0)}, c.opts...)
					r, _ := keep(t, &store{set: listed(names...)}, opts...)
					var story []string
					serve := func(odd int) (served bool) {
						a, err := r.Attempt(t.Context(), c.repeatable)
						line := ""
						for ok := err == nil; ok; {
							line += " " + a.Version()
							switch what := random.IntN(12); {
							case odd > what && what == 0:
								a.Unknown()
								ok = false
							case odd <= what && a.Version() == good:
								a.Accepted()
								story = append(story, line+" served")
								return true
							case c.repeatable:
								ok = a.Next(t.Context(), c.doubtful || odd > what && what == 1)
							default:
								a.Refused()
								ok = false
							}
						}
						story = append(story, line)
						return false
					}
					for range 60 {
						serve(3)
						time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
					}
					for range 360 {
						serve(0)
						time.Sleep(10 * time.Second)
					}
					for range 20 {
						if !serve(0) {
							t.Fatalf("seed %d: of %q, %s is good, and an hour later a request is not served:\n%s",
								seed, names, good, strings.Join(story[len(story)-12:], "\n"))
						}
						time.Sleep(10 * time.Second)
					}
				})
			}
		})
	}
}

// Of a key that is refused now and then by mistake, and of one that no server takes
// yet, the one that is good serves on.
//
// F58, F60
func TestOddRefusalOfThePrevious(t *testing.T) {
	for _, lockout := range []bool{false, true} {
		t.Run(fmt.Sprint("lockout=", lockout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := []source.Option{source.WithRefusalWait(0), source.WithPoll(time.Hour)}
				if lockout {
					opts = append(opts, source.WithLockout())
				}
				r, _ := keep(t, &store{set: listed("v2", "v1")}, opts...)
				fallsBack(t, r, "v2", "v1")
				accepted(t, r, "v1")
				a := attempt(t, r, "v1")
				for a.Next(t.Context(), false) { // v2, which is refused as well
				}
				accepted(t, r, "v1") // asked about once more at once
			})
		})
	}
}
