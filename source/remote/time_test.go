package remote

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// F79: a reading from a server that is slow or never answers ends at the reading's own timeout,
// even if the caller's context has none.
func TestOneReadingHasADeadline(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"drip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		},
		"drip after an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newInMemory(t, handler)
				began := time.Now()
				_, err := s.Read(t.Context())
				took := time.Since(began)
				if !isUnavailable(err) {
					t.Fatalf("error %v", err)
				}
				least, most := readTimeout, readTimeout
				if name == "drip after an error" { // the time for two abandoned bodies, and the pause between them
					least, most = 2*drainTime, 2*drainTime+retryWait*3/2
					if errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error %v, want the status", err)
					}
				}
				if took < least || took > most {
					t.Errorf("took %v, want %v to %v", took, least, most)
				}
			})
		})
	}
}

// F77: the pause before the second try is random.
func TestTheSecondAttemptIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		s := newInMemory(t, func(w http.ResponseWriter, _ *http.Request) {
			at = append(at, time.Now())
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		seen := make(map[time.Duration]bool)
		for range 20 {
			at = nil
			if _, err := s.Read(t.Context()); !isUnavailable(err) || len(at) != 2 {
				t.Fatalf("%d attempts, %v", len(at), err)
			}
			pause := at[1].Sub(at[0])
			if pause < retryWait/2 || pause > retryWait*3/2 {
				t.Errorf("paused for %v", pause)
			}
			seen[pause] = true
		}
		if len(seen) < 15 {
			t.Errorf("only %d different pauses", len(seen))
		}
	})
}

// F81: no server can make the long poll a busy loop. Each runs for an hour and may get a limited
// number of requests.
func TestNotifyIsNoBusyLoop(t *testing.T) {
	applied := func(w http.ResponseWriter) { w.Header().Set("Preference-Applied", "wait=50") }
	var n atomic.Int64
	newDocument := func() string { return strconv.FormatInt(n.Load(), 10) }
	cases := map[string]struct {
		handler http.HandlerFunc
		most    int64
	}{
		"no long poll": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") == "" {
				answer(w, "v1")
				return
			}
			w.WriteHeader(http.StatusNotModified)
		}, 10},
		"no conditional requests": {func(w http.ResponseWriter, r *http.Request) { answer(w, "v1") }, 10},
		"no ETag": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(document("v1")))
		}, 1},
		"an ETag once": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") == "" {
				answer(w, "v1")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(document("v1")))
		}, 2},
		"says that it waits, and does not": {func(w http.ResponseWriter, r *http.Request) {
			applied(w)
			if r.Header.Get("If-None-Match") == "" {
				answer(w, "v1")
				return
			}
			w.WriteHeader(http.StatusNotModified)
		}, 3600/24 + 20},
		"another document each time": {func(w http.ResponseWriter, r *http.Request) { answer(w, newDocument()) }, burst + 3600/24 + 20},
		"another document each time, says that it waits": {func(w http.ResponseWriter, r *http.Request) {
			applied(w)
			answer(w, newDocument())
		}, burst + 3600*5/4 + 20},
		"waits, honestly": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") == "" {
				answer(w, "v1")
				return
			}
			text, _ := strings.CutPrefix(r.Header.Get("Prefer"), "wait=")
			wait, err := strconv.Atoi(text)
			if err != nil || wait < 40 || wait > 50 {
				t.Errorf("Prefer: %s", r.Header.Get("Prefer"))
			}
			time.Sleep(time.Duration(wait) * time.Second)
			w.WriteHeader(http.StatusNotModified)
		}, 91},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n.Store(0)
				s := newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
					n.Add(1)
					tc.handler(w, r)
				})
				if _, err := s.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := s.Notify(ctx, func() {}); err != nil {
					t.Fatal(err)
				}
				if n.Load() > tc.most {
					t.Errorf("%d requests in an hour, want at most %d", n.Load(), tc.most)
				}
				t.Logf("%d requests", n.Load())
			})
		})
	}
}

// The source notices when a server begins to support long polls. It gives up a long poll that
// the server does not answer after the wait.
func TestNotifyProbesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var holds atomic.Bool
		s := newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("If-None-Match") == "":
				answer(w, "v1")
			case !holds.Load():
				w.WriteHeader(http.StatusNotModified)
			default:
				<-r.Context().Done()
			}
		})
		if _, err := s.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { holds.Store(true) })
		began := time.Now()
		err := s.Notify(t.Context(), func() {})
		if !isUnavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took, most := time.Since(began), reprobe*6/5+defaultWait+grace; took > most {
			t.Errorf("took %v, want at most %v", took, most)
		}
	})
}

// F61: another change follows before the ring has read the document that Notify got. Read
// returns the present document, not that of the long poll.
func TestReadAsksForWhatFollowedALongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var version atomic.Value
		version.Store("v1")
		changed := make(chan struct{})
		s := newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Prefer") != "" {
				select {
				case <-changed:
				case <-r.Context().Done():
				}
			}
			if v := version.Load().(string); r.Header.Get("If-None-Match") != `"`+v+`"` {
				answer(w, v)
				return
			}
			w.WriteHeader(http.StatusNotModified)
		})
		read := func(want string) {
			t.Helper()
			set, err := s.Read(t.Context())
			if err != nil || set.Keys[0].Version != want {
				t.Errorf("read %+v, %v, want %s", set, err, want)
			}
		}
		read("v1")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Notify(ctx, func() {}) }()
		synctest.Wait()
		version.Store("v2")
		changed <- struct{}{}
		synctest.Wait()
		version.Store("v3")
		read("v3")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A slow 304 for the previous document does not replace the document that the long poll has got
// in the meantime.
func TestALate304DoesNotUndoALongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("If-None-Match") == "":
				answer(w, "v1")
			case r.Header.Get("Prefer") == "":
				time.Sleep(2 * time.Second)
				w.WriteHeader(http.StatusNotModified)
			default:
				select {
				case <-release:
					answer(w, "v2")
				case <-r.Context().Done():
				}
			}
		})
		if _, err := s.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Notify(ctx, func() {}) }()
		late := make(chan error, 1)
		go func() {
			_, err := s.Read(t.Context())
			late <- err
		}()
		time.Sleep(1900 * time.Millisecond)
		release <- struct{}{}
		if err := <-late; err != nil {
			t.Error(err)
		}
		set, err := s.Read(t.Context()) // the response is a 304 for v2
		if err != nil || set.Keys[0].Version != "v2" {
			t.Errorf("read %+v, %v", set, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Between two long polls of one ring, another ring read v2 and the endpoint went back to v1. The
// first ring is notified, although its own document is the current one again.
func TestNotifyTellsOfWhatAnotherRingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var version atomic.Value
		version.Store("v1")
		s := newInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if v := version.Load().(string); r.Header.Get("If-None-Match") != `"`+v+`"` {
				answer(w, v)
				return
			}
			w.WriteHeader(http.StatusNotModified) // at once, so that the next long poll comes after 10 minutes
		})
		read := func() {
			t.Helper()
			if _, err := s.Read(t.Context()); err != nil {
				t.Error(err)
			}
		}
		read()
		var told atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), reprobe*2)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Notify(ctx, func() { told.Add(1) }) }()
		time.Sleep(time.Minute)
		version.Store("v2")
		read()
		version.Store("v1")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if told.Load() != 3 { // at the start, for v2, and for v1 after it
			t.Errorf("told %d times, want 3", told.Load())
		}
	})
}

func TestWaitApplied(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "wait": true, "wait=50": true, "respond-async, Wait = 50": true, "waiting=50": false, "return=minimal": false,
	} {
		if got := waitApplied(http.Header{"Preference-Applied": {text}}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
