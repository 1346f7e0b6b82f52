package versions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/versions"
)

const sentinel = "rksentinel_"

// A backend has the values by version, and counts the fetches.
type backend struct {
	values  map[string]string
	fail    error
	fetched int
}

func (b *backend) fetch(key *source.Key) ([]byte, error) {
	b.fetched++
	if b.fail != nil {
		return nil, b.fail
	}
	text, ok := b.values[key.Version]
	if !ok {
		return nil, source.ErrNoKey
	}
	key.CreatedAt = time.Unix(int64(len(text)), 0)
	return []byte(text), nil
}

func list(names ...string) []versions.Listed {
	var all []versions.Listed
	for _, n := range names {
		all = append(all, versions.Listed{ID: "id of " + n, Key: source.Key{Version: n, Scopes: []string{"read"}}})
	}
	return all
}

func names(set source.Set) string {
	var all []string
	for _, k := range set.Keys {
		all = append(all, k.Version)
	}
	return strings.Join(all, " ")
}

// F92, F102
func TestFetchesOnceAndForgets(t *testing.T) {
	b := &backend{values: map[string]string{"a": "sentinel-token-a", "b": "sentinel-token-b", "c": "sentinel-token-c"}}
	var v versions.Values
	for i, step := range []struct {
		listed  []string
		want    string
		fetched int
	}{
		{[]string{"a"}, "a", 1},
		{[]string{"b", "a"}, "b a", 2},
		{[]string{"b", "a"}, "b a", 2},
		{[]string{"c", "b"}, "c b", 3},
		{[]string{"a", "c"}, "a c", 4}, // the value was forgotten
		{[]string{"gone", "a"}, "a", 5},
		{[]string{"gone", "a"}, "a", 6}, // the value may come back
	} {
		set, err := v.Set(list(step.listed...), source.Plain, b.fetch)
		if err != nil || names(set) != step.want || b.fetched != step.fetched || !set.Complete {
			t.Errorf("step %d: %q after %d fetches, error %v; want %q after %d", i+1, names(set), b.fetched, err, step.want, step.fetched)
		}
		if set.Keys[0].CreatedAt.Unix() != int64(len("sentinel-token-a")) {
			t.Errorf("step %d: created at %v", i+1, set.Keys[0].CreatedAt)
		}
		set.Keys[0].Scopes[0] = "changed" // F83: that is the caller's copy
	}
	if set, _ := v.Set(list("a"), source.Plain, b.fetch); set.Keys[0].Scopes[0] != "read" {
		t.Error("the sets share their scopes")
	}
}

// F91: the same name with another ID is another version.
func TestNamesAreNoIdentity(t *testing.T) {
	b := &backend{values: map[string]string{"1": "sentinel-token-old"}}
	var v versions.Values
	at := list("1")
	if _, err := v.Set(at, source.Plain, b.fetch); err != nil {
		t.Fatal(err)
	}
	b.values["1"], at[0].ID = "sentinel-token-new", "another id"
	if set, err := v.Set(at, source.Plain, b.fetch); err != nil || set.Keys[0].Secret.Expose() != "sentinel-token-new" {
		t.Errorf("the old value is served, error %v", err)
	}
}

// F83, F90, F92: the effect of a bad version depends on the older versions.
func TestBadVersions(t *testing.T) {
	document := func(name string) string {
		return fmt.Sprintf(`{"keys":[{"version":%q,"secret":"s","scopes":["x"]},{"version":"older","secret":"sentinel-r"}]}`, name)
	}
	for title, tc := range map[string]struct {
		values   map[string]string
		decode   source.Decoder
		want     string
		warnings int
		err      error
	}{
		"newest is bad":           {map[string]string{"b": "two words", "a": "token"}, source.Plain, "a", 1, nil},
		"older is bad":            {map[string]string{"b": "token", "a": ""}, source.Plain, "b", 1, nil},
		"all are bad":             {map[string]string{"b": "", "a": ""}, source.Plain, "", 0, source.ErrInvalid},
		"all are gone":            {nil, source.Plain, "", 0, source.ErrNoKey},
		"newest document":         {map[string]string{"b": document("x"), "a": document("y")}, source.Document, "x older", 0, nil},
		"newest document is torn": {map[string]string{"b": `{"keys":[`, "a": document("y")}, source.Document, "", 0, source.ErrInvalid},
		"newest document is gone": {map[string]string{"a": document("y")}, source.Document, "y older", 0, nil},
		"decoder that lists none": {map[string]string{"b": "x"}, func([]byte) (source.Set, error) { return source.Set{}, nil }, "", 0, source.ErrInvalid},
		"decoder with its own error": {map[string]string{"b": "x"}, func([]byte) (source.Set, error) {
			return source.Set{}, errors.New("no")
		}, "", 0, source.ErrInvalid},
	} {
		var v versions.Values
		b := &backend{values: tc.values}
		for range 2 { // the second time from memory
			set, err := v.Set(list("b", "a"), tc.decode, b.fetch)
			if names(set) != tc.want || len(set.Warnings) != tc.warnings || !errors.Is(err, tc.err) {
				t.Errorf("%s: %q, %d warnings, error %v", title, names(set), len(set.Warnings), err)
			}
			if len(set.Keys) > 0 && len(set.Keys[0].Scopes) > 0 {
				set.Keys[0].Scopes[0] = "changed"
			}
		}
	}
	var v versions.Values
	b := &backend{values: map[string]string{"a": "token"}, fail: source.ErrDenied}
	if _, err := v.Set(list("a"), source.Plain, b.fetch); !errors.Is(err, source.ErrDenied) {
		t.Errorf("fetch fails: %v", err)
	}
	b.fail = nil
	if _, err := v.Set(list("a"), source.Plain, b.fetch); err != nil {
		t.Errorf("and is well again: %v", err)
	}
}

// F92: the store's dates of a version also limit the keys of the document that is its value.
func TestDocumentOfAPendingOrExpiredVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		b := &backend{values: map[string]string{
			"new": `{"keys":[{"version":"y","secret":"` + sentinel + `y"}]}`,
			"old": `{"keys":[{"version":"x","secret":"` + sentinel + `x"},
				{"version":"w","secret":"` + sentinel + `w","expires_at":"` + now.Add(time.Minute).UTC().Format(time.RFC3339) + `"}]}`,
		}}
		var v versions.Values
		all := list("new", "old")
		all[0].Key.NotBefore, all[0].Key.ExpiresAt = now.Add(time.Hour), now.Add(3*time.Hour)
		all[1].Key.ExpiresAt = now.Add(2 * time.Hour)
		check := func(what, want string, ends ...time.Duration) {
			t.Helper()
			set, err := v.Set(all, source.Document, b.fetch)
			if err != nil || names(set) != want || !set.Complete {
				t.Fatalf("%s: %q, error %v; want %q", what, names(set), err, want)
			}
			for i, key := range set.Keys {
				if end := key.ExpiresAt.Sub(now).Round(time.Minute); end != ends[i] {
					t.Errorf("%s: %s ends after %v, want %v", what, key.Version, end, ends[i])
				}
			}
		}
		check("pending", "x w", 2*time.Hour, time.Minute)
		time.Sleep(time.Hour)
		check("in force", "y", 3*time.Hour)
		check("in force, out of what is held", "y", 3*time.Hour)
		time.Sleep(2 * time.Hour)
		all[1].Key.ExpiresAt = time.Time{}
		if set, err := v.Set(all, source.Document, b.fetch); !errors.Is(err, source.ErrNoKey) || len(set.Keys) > 0 {
			t.Errorf("expired: %q, error %v", names(set), err) // F90
		}
		all[0].Key.NotBefore = now.Add(4 * time.Hour)
		if set, err := v.Set(all[:1], source.Document, b.fetch); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("pending alone: %q, error %v", names(set), err)
		}
	})
}
