package ring_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Whatever odd answers came before, of a server that takes one of the keys for good,
// requests are served again after a while, all of them: no key that is good is given
// up. Be it that refused requests can be sent again, or that none can; that refusals
// are doubtful, or that keys lock out.
//
// F58, F60, F65, F68, F122, F168
func TestGoodKeyIsFound(t *testing.T) {
	for _, c := range []struct {
		name                 string
		opts                 []ring.Option
		repeatable, doubtful bool
	}{
		{"repeatable", nil, true, false},
		{"unrepeatable", nil, false, false},
		{"doubtful", nil, true, true},
		{"lockout", []ring.Option{ring.WithLockout()}, true, false},
		{"lockout, unrepeatable", []ring.Option{ring.WithLockout()}, false, false},
		{"lockout, doubtful", []ring.Option{ring.WithLockout()}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(150) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 0))
					names := []string{"v3", "v2", "v1"}[:2+random.IntN(2)]
					good := names[random.IntN(len(names))]
					opts := append([]ring.Option{ring.WithPoll(time.Hour), ring.WithRefusalWait(0)}, c.opts...)
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
							case odd > what && what == 3: // whichever it is: one replica may take it
								a.Accepted()
								return true
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
						serve(4)
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
				opts := []ring.Option{ring.WithRefusalWait(0), ring.WithPoll(time.Hour)}
				if lockout {
					opts = append(opts, ring.WithLockout())
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

// The source lists two keys throughout. The server takes the old one, then the new, and
// is rolled back to the old. One request a minute for a day: all but the first few are
// served.
//
// F122
func TestKeyIsFoundAfterARollbackAtTheServer(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, append(opts, ring.WithPoll(time.Hour))...)
		failed := 0
		for i := range 24 * 60 {
			good := "v1"
			if i >= 10 && i < 20 {
				good = "v2"
			}
			a, err := r.Attempt(t.Context(), true)
			ok := err == nil
			for ok && a.Version() != good {
				ok = a.Next(t.Context(), false)
			}
			if ok {
				a.Accepted()
			} else {
				failed++
			}
			time.Sleep(time.Minute)
		}
		if failed > 5 {
			t.Errorf("%d of 1440 requests failed", failed)
		}
	})
}

// An API that answers 401 to 2 % of good keys: only a request that is refused twice in
// a row fails. None waits for the source, and nobody is alarmed for one odd answer.
//
// F123
func TestOddRefusalsOfTheOnlyKeyCostNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		r, ev := keep(t, &store{set: listed("v1")}, append(opts, ring.WithPoll(time.Hour))...)
		random := rand.New(rand.NewPCG(1, 2))
		accepted(t, r, "v1")
		again := 0
		for i := range 500 {
			start := time.Now()
			a, err := r.Attempt(t.Context(), true)
			if err == nil && random.IntN(50) == 0 {
				again++
				if !a.Next(t.Context(), false) || a.Version() != "v1" {
					t.Fatalf("request %d failed", i)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			a.Accepted()
			if d := time.Since(start); d > 0 {
				t.Errorf("request %d took %v", i, d)
			}
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if n := ev.count(ring.AllRefused); n > 0 || again < 5 || !r.Status().Healthy {
			t.Errorf("%d alarms, %d requests were refused: %+v", n, again, r.Status().Current)
		}
	})
}

// One odd refusal of the old key, while the new one is known to one replica of three:
// the old key goes on to serve.
//
// F168
func TestOneReplicaAhead(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, append(opts, ring.WithPoll(time.Hour))...)
		replica, failed := 0, 0
		for i := range 3600 {
			odd := i == 100
			a, err := r.Attempt(t.Context(), true)
			for ok := err == nil; ; ok = a.Next(t.Context(), false) {
				if replica++; !ok {
					failed++
					break
				}
				if a.Version() == "v1" && !odd || a.Version() == "v2" && replica%3 == 0 {
					a.Accepted()
					break
				}
				odd = odd && a.Version() != "v1"
			}
			time.Sleep(time.Second)
		}
		most := 3
		if len(opts) > 0 {
			most = 100 // requests are answered here for 20 s each time that both were refused
		}
		if failed > most {
			t.Errorf("%d of 3600 requests failed", failed)
		}
	})
}
