package ring

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// versionsOf makes versions of "label/given=content"; where there is no "/given", the
// source calls it by its label, and where given is empty it has no name for it.
func versionsOf(list string) (versions []*version) {
	for _, word := range strings.Fields(list) {
		name, content, _ := strings.Cut(word, "=")
		label, given, ok := strings.Cut(name, "/")
		if !ok {
			given = label
		}
		v := &version{given: given, counters: &counters{}, standing: standing{state: StateUnused}}
		v.key.Store(&source.Key{Version: label, Secret: source.NewSecret("sentinel-" + content)})
		versions = append(versions, v)
	}
	return versions
}

// keysOf makes keys of "version=content", the version empty for none.
func keysOf(list string) (keys []source.Key) {
	for _, word := range strings.Fields(list) {
		version, content, _ := strings.Cut(word, "=")
		keys = append(keys, source.Key{Version: version, Secret: source.NewSecret("sentinel-" + content)})
	}
	return keys
}

// What the keys of a set are called.
//
// F74, F91
func TestNaming(t *testing.T) {
	const now, later, earlier = "20260102T030405.678Z", "20260102T030406.678Z", "20260102T030404.678Z"
	at, _ := time.Parse("20060102T150405.000Z", now)
	for _, row := range []struct {
		name, list, retired string
		named               time.Duration // the latest time that a key was named after; from now
		created             time.Duration // of every key; from now, 0: unknown
		keys                string
		want                string
		reused              string
		latest              string // then that time, as a name; empty: not looked at
	}{
		{name: "by the source", keys: "v2=b v1=a", want: "v2 v1"},
		{name: "still there", list: "v1=a", keys: "v1=a", want: "v1"},
		{name: "another name for a content", list: "v1=a", keys: "v2=a", want: "v2"},
		{name: "another content under a name", list: "v1=a", keys: "v1=b", want: "v1#2", reused: "v1"},
		{name: "and another", list: "v1#2/v1=b v1=a", keys: "v1=c", want: "v1#3", reused: "v1"},
		{name: "still under a number", list: "v1#2/v1=b v1=a", keys: "v1=b", want: "v1#2"},
		{name: "the name is free by now", list: "v1#2/v1=b", keys: "v1=c", want: "v1"},
		{name: "two are swapped", list: "v2=b v1=a", keys: "v2=a v1=b", want: "v2 v1", reused: "v2 v1"},
		{name: "one moves on", list: "v1=a", keys: "v1=b v0=a", want: "v1 v0", reused: "v1"},
		{name: "one that is not listed keeps its name", list: "v2=b v1=a", keys: "v1=b", want: "v1#2", reused: "v1"},

		{name: "without a name", keys: "=a", want: now, latest: now},
		{name: "without names", keys: "=b =a", want: now + " " + now + "#2"},
		{name: "still there, without a name", list: "x/=a", keys: "=a", want: "x"},
		{name: "the name is lost", list: "v1=a", keys: "=a", want: "v1"},
		{name: "after its file", keys: "=a", created: -time.Second, named: -time.Hour, want: earlier, latest: earlier},
		{name: "after a file of tomorrow", keys: "=a", created: time.Second, want: later, latest: later},
		{name: "an older file", keys: "=a", created: -time.Second, named: -time.Second, want: now, latest: now},
		{name: "the moment is taken", list: now + "=a", keys: "=b", want: now + "#2"},
		{name: "it was", retired: now, keys: "=b", want: now + "#2"},
		{name: "a name of the source's is not", retired: "v1", keys: "v1=b", want: "v1"},
		{name: "the source has that name for another", keys: "=b " + now + "=a", want: now + "#2 " + now},
		{name: "and has it for one that is there", list: "x/=b", keys: "=a " + now + "=b", want: now + "#2 " + now},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := roster{list: versionsOf(row.list), named: at.Add(row.named)}
			if row.named == 0 {
				o.named = time.Time{}
			}
			for _, label := range strings.Fields(row.retired) {
				o.retired = append(o.retired, retired{label: label})
			}
			keys := keysOf(row.keys)
			var held []*version
			for i := range keys {
				if row.created != 0 {
					keys[i].CreatedAt = at.Add(row.created)
				}
				held = append(held, o.find(keys[i]))
			}
			got := o.naming(keys, held, at)
			if want := strings.Fields(row.want); !slices.Equal(got.labels, want) {
				t.Errorf("%q, want %q", got.labels, want)
			}
			if want := strings.Fields(row.reused); !slices.Equal(got.reused, want) {
				t.Errorf("reused %q, want %q", got.reused, want)
			}
			if latest := got.latest.Format("20060102T150405.000Z"); row.latest != "" && latest != row.latest {
				t.Errorf("named up to %s", latest)
			}
		})
	}
}

// Of keys with one content one stays, if possible one that can be used now.
//
// F16
func TestDistinct(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, row := range []struct{ name, keys, want string }{
		{"all differ", "v2=b v1=a", "v2 v1"},
		{"two names", "v2=a v1=a", "v2"},
		{"the first is pending", "pending=a v1=a", "v1"},
		{"the first has expired", "expired=a v1=a", "v1"},
		{"neither can be used", "pending=a expired=a", "pending"},
		{"the second cannot", "v2=a expired=a", "v2"},
		{"in the place of the first", "pending=a v2=b v1=a", "v1 v2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys := keysOf(row.keys)
			for i, key := range keys {
				switch key.Version {
				case "pending":
					keys[i].NotBefore = now.Add(1)
				case "expired":
					keys[i].ExpiresAt = now
				}
			}
			var got []string
			for _, key := range distinct(keys, now) {
				got = append(got, key.Version)
			}
			if want := strings.Fields(row.want); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
