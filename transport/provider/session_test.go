package provider_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// wantLogins compares the logins since the last call.
func wantLogins(t *testing.T, v *venue, want ...string) (at []time.Time) {
	t.Helper()
	synctest.Wait()
	got, at := v.log()
	if !slices.Equal(got, want) {
		t.Errorf("logins %q, want %q", got, want)
	}
	return at
}

// The file has the new key 3 s before the exchange takes it. A bot that only logs in is
// never without a connection. It tries the new key again at the end of each hold-off, ends
// with it, and logs in with it once. Only then is the old one no longer pinned.
//
// F127, F137
func TestSessionOfAFileAheadOfTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(t, "v1")
		dir := t.TempDir()
		put := func(version string) {
			t.Helper()
			for name, text := range map[string]string{"api-key": version, "api-secret": "sentinel-" + version} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		put("v1")
		// The notifications of a directory cannot be waited for in a bubble: it is polled.
		s := begin(t, provider.Bybit(), struct{ source.Source }{file.Dir(dir)}, v.connect)
		time.Sleep(10 * time.Minute)
		wantLogins(t, v, "v1")
		first := s.keys.Version()

		switched := time.Now()
		put("v2")
		time.AfterFunc(3*time.Second, func() { v.accept("v2") })
		time.Sleep(2900 * time.Millisecond)
		if v.connected("v1") != 1 {
			t.Error("the old connection is gone before the new key is taken")
		}
		for _, old := range s.keys.Status().Versions {
			if old.SafeToRevoke || old.Version == first && old.Pins != 1 {
				t.Errorf("%s: safe %v, %d pins", old.Version, old.SafeToRevoke, old.Pins)
			}
		}
		time.Sleep(2 * time.Minute)
		at := wantLogins(t, v, "v2 refused", "v2 refused", "v2")
		if in := at[2].Sub(switched); in < 3*time.Second || in > 5*time.Second { // its pauses: 1 s and 2 s, and a tenth
			t.Errorf("logged in with the new key after %v", in)
		}
		if v.connected("v1") != 0 || v.connected("v2") != 1 {
			t.Errorf("%d and %d connections", v.connected("v1"), v.connected("v2"))
		}
		st := s.keys.Status()
		if st.InUse != st.Current.Version || st.Current.Version == first || st.Current.Pins != 1 || st.Current.State != ring.StateAccepted {
			t.Errorf("in use %s, current %+v", st.InUse, st.Current)
		}
		time.Sleep(time.Hour) // the new key was refused
		if old := s.status(t, first); !old.SafeToRevoke || old.Pins != 0 {
			t.Errorf("the old key: %+v", old)
		}
	})
}

// One login a switch: not one more for each event that the switch causes.
//
// F137
func TestSessionLogsInOnceASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(t, "v1", "v2", "v3")
		d := &desk{set: pairs("v1")}
		s := begin(t, provider.Bybit(), d, v.connect)
		time.Sleep(time.Minute)
		s.put(t, d, pairs("v2", "v1"))
		time.Sleep(time.Minute)
		s.put(t, d, pairs("v3", "v2"))
		time.Sleep(time.Minute)
		s.put(t, d, pairs("v2", "v3")) // the operator rolls back
		time.Sleep(time.Minute)
		s.put(t, d, source.Set{Complete: true, Keys: []source.Key{{Version: "two", ID: "v2", Secret: source.NewSecret("sentinel-v2")}}}) // v2, renamed
		time.Sleep(time.Minute)
		wantLogins(t, v, "v1", "v2", "v3", "v2")
		v.set(func() { v.most = 0 })
		// Requests fall back, and so does the session; it does not log in a second time for
		// the event, and returns when requests find out that the key is good again.
		s.put(t, d, pairs("v3", "v2"))
		time.Sleep(time.Minute)
		a, err := s.keys.Attempt(t.Context(), true)
		if err != nil || a.Version() != "v3" {
			t.Fatal(a.Version(), err)
		}
		if !a.Next(t.Context(), false) || a.Version() != "v2" {
			t.Fatal(a.Version())
		}
		a.Accepted()
		time.Sleep(10 * time.Minute)
		wantLogins(t, v, "v3", "v2", "v3")
		if v.most != 2 {
			t.Errorf("%d connections at a time", v.most)
		}
	})
}

// A connection that is lost is made again at once if it lasted, else after pauses that
// grow; a new key ends a pause. No refusal is counted for a server that is down.
func TestSessionMakesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(t, "v1", "v2")
		d := &desk{set: pairs("v1")}
		s := begin(t, provider.Bybit(), d, v.connect)
		time.Sleep(2 * time.Minute)
		wantLogins(t, v, "v1")
		lose := func() {
			v.revoke("v1")
			v.accept("v1")
			synctest.Wait()
		}
		lose()
		wantLogins(t, v, "v1") // at once
		lose()
		wantLogins(t, v)
		time.Sleep(1200 * time.Millisecond)
		wantLogins(t, v, "v1")
		v.set(func() { v.down, v.dials = true, 0 })
		lose()
		time.Sleep(10 * time.Minute)
		v.set(func() {
			if v.down = false; v.dials < 9 || v.dials > 15 { // 2, 4, 8, 16, 32 s, and then once a minute
				t.Errorf("dialed %d times in 10 minutes", v.dials)
			}
		})
		if st := s.status(t, "v1"); st.Refused != 0 || st.InFlight != 0 || st.Pins != 0 {
			t.Errorf("%+v", st)
		}
		s.put(t, d, pairs("v2", "v1"))
		wantLogins(t, v, "v2")
	})
}

// Where every key is refused, logins become rare, and a new key is tried at once.
//
// F58, F137
func TestSessionWhereEveryKeyIsRefused(t *testing.T) {
	for name, p := range map[string]provider.Profile{"": provider.Bybit(), "lockout": func() provider.Profile {
		p := provider.Bybit()
		p.Lockout = true
		return p
	}()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVenue(t)
				d := &desk{set: pairs("v2", "v1")}
				s := begin(t, p, d, v.connect)
				time.Sleep(30 * time.Minute)
				if got, _ := v.log(); len(got) < 10 || len(got) > 80 {
					t.Errorf("%d logins in 30 minutes: %q", len(got), got)
				}
				if s.keys.Status().Healthy {
					t.Error("healthy")
				}
				v.accept("v3")
				s.put(t, d, pairs("v3", "v2"))
				wantLogins(t, v, "v3")
				if !s.keys.Status().Healthy {
					t.Error("not healthy")
				}
				// The exchange takes a key again that it refused.
				v.revoke("v3")
				time.Sleep(30 * time.Minute)
				v.log()
				v.accept("v2")
				time.Sleep(3 * time.Minute)
				if v.connected("v2") != 1 {
					got, _ := v.log()
					t.Errorf("not logged in again: %q", got)
				}
			})
		})
	}
}

// An ambiguous refusal counts only if another key is accepted, so that key logs in anew.
func TestSessionWithAnAmbiguousRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := provider.Bybit()
		verdict := p.LoginVerdict
		p.LoginVerdict = func(m []byte) (transport.Verdict, bool) {
			v, ok := verdict(m)
			if v == transport.RefusedUnapplied {
				v = transport.Ambiguous
			}
			return v, ok
		}
		v := newVenue(t, "v1")
		d := &desk{set: pairs("v1")}
		s := begin(t, p, d, v.connect)
		time.Sleep(time.Minute)
		s.put(t, d, pairs("v2", "v1"))
		time.Sleep(time.Second / 2)
		wantLogins(t, v, "v1", "v2 refused", "v1")
		if v.connected("v1") != 1 || s.status(t, "v2").State != ring.StateRefused {
			t.Errorf("%d connections, %+v", v.connected("v1"), s.status(t, "v2"))
		}
		v.accept("v2")
		time.Sleep(2 * time.Second)
		wantLogins(t, v, "v2")
	})
}

// Revoking the last key ends the connection that is logged in with it. The session goes on
// with the next key.
//
// F137
func TestSessionEndsWithTheLastKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(t, "v1", "v2")
		d := &desk{}
		d.put(pairs("v1"))
		s := begin(t, provider.Bybit(), d, v.connect)
		time.Sleep(10 * time.Minute)
		wantLogins(t, v, "v1")
		if err := s.keys.Revoke(s.keys.Version()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := v.connected("v1"); n != 0 {
			t.Errorf("%d connections are logged in with a revoked key", n)
		}
		time.Sleep(10 * time.Minute)
		wantLogins(t, v)
		s.put(t, d, pairs("v2"))
		time.Sleep(time.Minute)
		wantLogins(t, v, "v2")
	})
}

// If an account may have one connection only, the old one ends first. The key before logs
// in again after a refusal.
func TestSessionWithOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := provider.Bybit()
		p.OneConnection = true
		v := newVenue(t, "v1")
		d := &desk{set: pairs("v1")}
		s := begin(t, p, d, v.connect)
		time.Sleep(time.Minute)
		s.put(t, d, pairs("v2", "v1"))
		time.Sleep(time.Second / 2)
		wantLogins(t, v, "v1", "v2 refused", "v1")
		v.accept("v2")
		time.Sleep(2 * time.Second)
		wantLogins(t, v, "v2")
		if v.most != 1 {
			t.Errorf("%d connections at a time", v.most)
		}
	})
}

// Session ends with its context, with its ring, and when connect is done; nothing is left.
func TestSessionEnds(t *testing.T) {
	canceled := func(s *stay) { s.cancel() }
	for name, c := range map[string]struct {
		end  func(*stay)
		want error
	}{
		"context": {canceled, context.Canceled},
		"ring":    {func(s *stay) { _ = s.keys.Close() }, ring.ErrClosed},
	} {
		for _, state := range []string{"logged in", "down", "mute", "refused"} {
			t.Run(name+", "+state, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					v := newVenue(t)
					if state == "logged in" {
						v.accept("v1")
					}
					v.down, v.mute = state == "down", state == "mute"
					s := begin(t, provider.Bybit(), &desk{set: pairs("v1")}, v.connect)
					time.Sleep(time.Minute)
					c.end(s)
					begun := time.Now()
					<-s.done
					if !errors.Is(s.err, c.want) || time.Since(begun) > 2*time.Minute {
						t.Errorf("error %v after %v", s.err, time.Since(begun))
					}
					if state == "down" && name == "context" && !strings.Contains(s.err.Error(), "dial: unexpected EOF") {
						t.Errorf("the error does not say what was wrong: %v", s.err)
					}
					synctest.Wait()
					if n := v.connected("v1"); n != 0 {
						t.Errorf("%d connections", n)
					}
				})
			})
		}
	}
	t.Run("done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v := newVenue(t, "v1")
			s := begin(t, provider.Bybit(), &desk{set: pairs("v1")}, func(ctx context.Context, login *provider.Login) error {
				write, read, hangUp, err := v.dial(ctx)
				if err != nil {
					return err
				}
				defer hangUp()
				if err := login.Do(write, read); err != nil {
					return err
				}
				if login.Version() != "v1" || login.Do(write, read) == nil {
					t.Errorf("version %q, or a second login", login.Version())
				}
				return nil
			})
			<-s.done
			if s.err != nil {
				t.Error(s.err)
			}
			if st := s.status(t, "v1"); st.Pins != 0 || st.Accepted != 1 {
				t.Errorf("%+v", st)
			}
		})
	})
}

// An exchange that does not answer the login is left after 30 s.
func TestSessionWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(t, "v1")
		v.mute = true
		begin(t, provider.Bybit(), &desk{set: pairs("v1")}, v.connect)
		time.Sleep(29 * time.Second)
		v.set(func() { v.mute = false })
		wantLogins(t, v, "v1 refused")
		time.Sleep(3 * time.Second)
		wantLogins(t, v, "v1")
	})
}

// If the exchange gives the logins with the new key no answer, or hangs up, no key is refused,
// but the ring says so.
//
// F137, F138
func TestSessionWithoutAnAnswerToTheNewKey(t *testing.T) {
	for name, answer := range map[string]func(context.Context) error{
		"hangs up": func(context.Context) error { return io.EOF },
		"mute":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{set: pairs("v1")}
				var told atomic.Int64
				s := begin(t, provider.Bybit(), d, func(ctx context.Context, login *provider.Login) error {
					err := login.Do(func([]byte) error { return nil }, func() ([]byte, error) {
						if login.Version() == "v1" {
							return []byte(`{"op":"auth","retCode":0}`), nil
						}
						return nil, answer(ctx)
					})
					if err == nil {
						<-ctx.Done()
						err = ctx.Err()
					}
					return err
				}, ring.WithObserver(func(e ring.Event) {
					if e.Kind == ring.Warning && e.Version == "v2" && strings.Contains(e.Err.Error(), `while version "v1" was accepted: each connection ended before the API answered`) {
						told.Add(1)
					}
				}))
				time.Sleep(time.Minute)
				s.put(t, d, pairs("v2", "v1"))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if n := told.Load(); n < 1 || n > 10 {
					t.Errorf("told %d times", n)
				}
				if v1, v2 := s.status(t, "v1"), s.status(t, "v2"); v1.Pins != 1 || v2.Refused != 0 || v2.State != ring.StateUnknown {
					t.Errorf("%+v, %+v", v1, v2)
				}
			})
		})
	}
}

// What can never log in is an error at once.
func TestSessionOfNothing(t *testing.T) {
	never := func(context.Context, *provider.Login) error { t.Error("connects"); return nil }
	src := source.Static(source.Key{Version: "v1", ID: "id", Secret: source.NewSecret("sentinel-text")})
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if err := provider.Kraken().Session(t.Context(), keys, never); err == nil || !strings.Contains(err.Error(), "no login") {
		t.Errorf("a profile without a login: %v", err)
	}
	if err := provider.Binance().Session(t.Context(), keys, never); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("a key that cannot log in: %v", err)
	}
	if err := provider.Bybit().Session(t.Context(), nil, never); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("no ring: %v", err)
	}
}

// A thousand sessions of one ring: at the end of each hold-off one of them tries the new
// key. They all end with it, with one login each.
//
// F137
func TestAThousandSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		d := &desk{set: pairs("v1")}
		keys, err := ring.Keep(t.Context(), d, ring.WithLogger(nil), ring.WithPoll(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		p := provider.Bybit()
		takes := time.Now().Add(time.Minute + 3*time.Second)
		var logins, refused atomic.Int64
		connect := func(ctx context.Context, login *provider.Login) error {
			answer := `{"op":"auth","retCode":0}`
			if login.Version() == "v2" && time.Now().Before(takes) {
				answer = `{"op":"auth","retCode":10003}`
				refused.Add(1)
			} else {
				logins.Add(1)
			}
			time.Sleep(10 * time.Millisecond) // on its way
			if err := login.Do(func([]byte) error { return nil }, func() ([]byte, error) { return []byte(answer), nil }); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if err := p.Session(ctx, keys, connect); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Minute)
		if st := keys.Status().Current; st.Pins != n {
			t.Errorf("%d pins", st.Pins)
		}
		d.put(pairs("v2", "v1"))
		time.Sleep(2 * time.Minute)
		if st := keys.Status(); st.InUse != "v2" || st.Current.Pins != n || st.Versions[1].Pins != 0 {
			t.Errorf("%+v", st.Versions)
		}
		wg.Wait()
		if logins.Load() != 2*n || refused.Load() > n+4 {
			t.Errorf("%d logins, %d refused", logins.Load(), refused.Load())
		}
		for _, st := range keys.Status().Versions {
			if st.Pins != 0 || st.InFlight != 0 {
				t.Errorf("%+v", st)
			}
		}
	})
}

// A session that is called wrongly returns an error.
//
// F179
func TestSessionUsedWrongly(t *testing.T) {
	none := context.Context(nil)
	connect := func(context.Context, *provider.Login) error { return nil }
	for name, err := range map[string]error{
		"no context": provider.OKX().Session(none, nil, connect),
		"no connect": provider.OKX().Session(t.Context(), nil, nil),
		"no ring":    provider.OKX().Session(t.Context(), nil, connect),
		"no session": new(provider.Login).Do(nil, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
