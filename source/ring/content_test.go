package ring_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func pair(version, id, secret, pass string) source.Set {
	k := source.Key{Version: version, ID: id, Secret: source.NewSecret("sentinel-" + secret)}
	if pass != "" {
		k.Extra = map[string]source.Secret{"passphrase": source.NewSecret("sentinel-" + pass)}
	}
	return source.Set{Complete: true, Keys: []source.Key{k}}
}

// The id, the secret and each further field make a key: another value of any is
// another key, which a server takes or refuses for itself, and which is not revoked
// with the one that it shares the others with.
//
// F26, F91
func TestEveryPartOfAKeyCounts(t *testing.T) {
	for name, other := range map[string]source.Set{
		"id":            pair("v2", "id2", "a", "p"),
		"secret":        pair("v2", "id", "b", "p"),
		"extra":         pair("v2", "id", "a", "q"),
		"without extra": pair("v2", "id", "a", ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: pair("v1", "id", "a", "p")}
				r, ev := keep(t, s)
				s.put(other, nil)
				refresh(t, r)
				wantKinds(t, ev, "switched v1", "revoked v1", "switched v2")
				if k, err := r.InUse(); err != nil || !k.SameContent(other.Keys[0]) {
					t.Errorf("in use is %v, %v", k, err)
				}
				s.put(pair("v1", "id", "a", "p"), nil)
				refresh(t, r)
				if err := r.Revoke("v1"); err != nil {
					t.Fatal(err)
				}
				s.put(other, nil)
				refresh(t, r)
				accepted(t, r, "v2")
			})
		})
	}
}

// What a caller does to a key that it was given, or a source to a set that it has
// handed over, changes nothing in the ring.
//
// F50
func TestKeysAreCopied(t *testing.T) {
	whole := func() source.Set {
		set := pair("v1", "id", "a", "p")
		set.Keys[0].Scopes, set.Keys[0].Metadata = []string{"read"}, map[string]string{"team": "x"}
		return set
	}
	set, want := whole(), whole().Keys[0]
	r, _ := keep(t, &store{set: set})
	spoil := func(k source.Key) {
		clear(k.Extra)
		clear(k.Scopes)
		clear(k.Metadata)
	}
	got, _ := r.InUse()
	spoil(set.Keys[0])
	spoil(got)
	if got, err := r.InUse(); err != nil || !got.SameContent(want) || !slices.Equal(got.Scopes, want.Scopes) || !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("%+v, %v", got, err)
	}
}

// The digests of revoked keys are under a salt of each ring's own.
//
// F98
func TestSaltsDiffer(t *testing.T) {
	var digests [2]string
	for i := range digests {
		cache := &memory{}
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithCache(cache))
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		r.Close()
		var saved struct{ Revoked []string }
		if err := json.Unmarshal([]byte(cache.text()), &saved); err != nil || len(saved.Revoked) != 1 {
			t.Fatalf("%v, %q", err, saved.Revoked)
		}
		digests[i] = saved.Revoked[0]
	}
	if digests[0] == digests[1] {
		t.Error("one key has one digest in two rings")
	}
}
