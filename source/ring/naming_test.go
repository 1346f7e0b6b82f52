package ring

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

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
// F74, F91, F178
func TestNaming(t *testing.T) {
	long := strings.Repeat("v", maxName)
	const now, later, earlier = "20260102T030405.678Z", "20260102T030406.678Z", "20260102T030404.678Z"
	at, _ := time.Parse("20060102T150405.000Z", now)
	for _, row := range []struct {
		name, list, retired string
		named               time.Duration // the latest time that a key was named after; from now
		created             time.Duration // of every key; from now, 0: unknown
		keys                string
		want                string
		reused, renamed     string
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

		// F178
		{name: "that cannot be printed", keys: "v\u202e1\x00=b v\u009b1\xff=a", want: "v?1? v?1?#2", renamed: "v?1? v?1?#2"},
		{name: "still there, under its name from here", list: "v?1/v\a1=a", keys: "v\a1=a", want: "v?1"},
		{name: "in another script", keys: "ключ-№1=a", want: "ключ-№1"},
		{name: "as long as may be", keys: long + "=a", want: long},
		{name: "longer", keys: long + "xy=b " + long + "x=a", want: long + " " + long[2:] + "#2", renamed: long + " " + long[2:] + "#2"},
		{name: "long, and taken", list: long + "=a", keys: long + "=b", want: long[2:] + "#2", reused: long},
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
			if want := strings.Fields(row.renamed); !slices.Equal(got.renamed, want) {
				t.Errorf("renamed %q, want %q", got.renamed, want)
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

// A ring's names are fit to be printed, whoever gives them: those of a source, and those of
// a cache that somebody else wrote. The source still revokes a version by its own name.
//
// F178
func TestNamesArePrintable(t *testing.T) {
	now := time.Unix(1e9, 0)
	odd := "v\x1b[2J\r\n" + strings.Repeat("\u202e", 20000)
	fit := func(what, name string) {
		t.Helper()
		if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q", what, name)
		}
	}
	o := &roster{digests: digests{salt: newSalt()}}
	of, err := o.offer(source.Set{Complete: true, Keys: []source.Key{
		{Version: odd, Secret: source.NewSecret("sentinel-b")}, {Version: "v1", Secret: source.NewSecret("sentinel-a")},
	}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.admit(of, now); err != nil {
		t.Fatal(err)
	}
	o.assign(now)
	fit("the source's", o.list[0].label())
	said := o.drain()
	if len(said) != 2 || said[0].Kind != Warning || !strings.Contains(said[0].Err.Error(), "another name") {
		t.Errorf("%v", said)
	}

	saved := o.save(nil)
	saved.Keys[0].Label = odd
	list, _ := o.restore(&saved, now)
	fit("the cache's", list[0].label())

	if of, err = o.offer(source.Set{Revoked: []string{odd}}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := o.admit(of, now); err != nil || !o.list[0].revoked || o.list[1].revoked {
		t.Errorf("not revoked by its own name: %v", err)
	}
}
