package ring_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// In every state that a version can be in, and of every event, what is told marshals
// to JSON, with the words that are documented, and holds no secret.
//
// F94, F95
func TestNothingToldHoldsASecret(t *testing.T) {
	var status strings.Builder // every Status, as JSON
	var events strings.Builder // every Event, as JSON, by verb and as a log line
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(&events, nil))
		tell := func(e ring.Event) {
			data, err := json.Marshal(e)
			if err != nil {
				t.Errorf("%s: %v", e.Kind, err)
			}
			fmt.Fprintf(&events, "%s %+v %#v\n", data, e, e.Err)
			log.Info("event", "e", e)
		}
		s := &store{}
		put := func(set source.Set) {
			for i := range set.Keys {
				set.Keys[i].ID, set.Keys[i].Extra = "id", map[string]source.Secret{"passphrase": source.NewSecret("sentinel-pass")}
			}
			s.put(set, nil)
		}
		put(listed("v2", "v1"))
		r, err := ring.Keep(t.Context(), s, ring.WithLogger(nil), ring.WithObserver(tell), ring.WithOverlap(0),
			ring.WithRefusalWait(0), ring.WithPoll(time.Hour), ring.WithPrepare(func(k source.Key) (any, error) {
				if k.Version == "bad" {
					return nil, errors.New("cannot be parsed")
				}
				return nil, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		look := func() {
			synctest.Wait()
			data, err := json.Marshal(r.Status())
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(&status, "%s %+v\n", data, r.Status())
		}
		look() // unused, current and previous
		a := attempt(t, r, "v2")
		a.Unknown()
		look()
		fallsBack(t, r, "v2", "v1") // refused, accepted
		look()
		a = attempt(t, r, "v1")
		for ok := true; ok; { // all refused
			ok = a.Next(t.Context(), false)
		}
		look()
		time.Sleep(2 * time.Minute)
		accepted(t, r, "v2") // recovered
		set := listed("bad", "v3", "v2", "v1")
		set.Warnings = []error{errors.New("permissions too open")}
		set.Keys[1].NotBefore = time.Now().Add(time.Minute)
		put(set)
		refresh(t, r) // unusable, pending
		look()
		time.Sleep(2 * time.Minute)
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		look()
		put(listed("v2", "v4")) // rolled back, retired
		refresh(t, r)
		look()
		put(source.Set{Keys: []source.Key{key("v2")}})
		refresh(t, r)
		set = source.Set{Keys: []source.Key{key("v5")}}
		set.Keys[0].ExpiresAt = time.Now().Add(time.Hour)
		put(set)
		refresh(t, r) // overlap ended, expiring
		look()
		s.put(source.Set{}, &source.Error{Source: "store", Err: source.ErrUnavailable})
		time.Sleep(24 * time.Hour) // failed, stale, and without a key at last
		look()
	})
	for where, text := range map[string]string{"status": status.String(), "events": events.String()} {
		if strings.Contains(text, "sentinel") {
			t.Errorf("%s: a secret shows", where)
		}
	}
	wantWords(t, status.String(), `"role":`, ring.RoleCurrent, ring.RolePrevious, ring.RolePending, ring.RoleRetired)
	wantWords(t, status.String(), `"state":`, ring.StateUnused, ring.StateAccepted, ring.StateRefused, ring.StateUnknown, ring.StateUnusable, ring.StateRevoked)
	wantWords(t, status.String(), `"last_error":`, "source: store: source unavailable")
	wantWords(t, events.String(), `"kind":`, ring.Switched, ring.RolledBack, ring.Refused, ring.FellBack, ring.Recovered, ring.AllRefused,
		ring.Refreshed, ring.RefreshFailed, ring.Stale, ring.Expiring, ring.OverlapEnded, ring.Revoked, ring.Warning, ring.FellBack, ring.Degraded, ring.NoKey)
}

// wantWords checks that each of the words follows the field somewhere.
func wantWords[T ~string](t *testing.T, text, field string, words ...T) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, field+`"`+string(word)+`"`) {
			t.Errorf("no %s%q was told", field, word)
		}
	}
}
