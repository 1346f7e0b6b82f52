package ring

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rollingkeys/rollingkeys/source"
)

// naming has the names for the keys of a set.
type naming struct {
	labels  []string  // by key
	latest  time.Time // the new roster.named
	reused  []string  // names that are another version's until now (F91)
	renamed []string  // the names of keys whose own were not fit to be printed (F178)
}

// naming names the keys of a set, before schemes see them. found has the version with the
// content of each key, nil if the key is new. A key gets the name that the source has for
// it now, else the name of its version, else one from its time. If another version has
// that name, and does not lose it, the key's name gets a number.
func (o *roster) naming(keys []source.Key, found []*version, now time.Time) naming {
	n := naming{labels: make([]string, len(keys)), latest: o.named}
	stays := func(i int) bool { return found[i] != nil && !renames(keys[i], found[i]) }
	var others []*version // the versions of the roster that do not lose their names
	for _, v := range o.list {
		if i := slices.Index(found, v); i < 0 || stays(i) {
			others = append(others, v)
		}
	}
	for i, key := range keys {
		if found[i] != nil || key.Version != "" {
			continue
		}
		at := o.nameTime(key, now)
		n.labels[i] = unique(at.UTC().Format("20060102T150405.000Z"), func(label string) bool {
			return slices.Contains(n.labels, label) || labelled(o.list, label) ||
				slices.ContainsFunc(keys, func(k source.Key) bool { return k.Version == label }) ||
				slices.ContainsFunc(o.retired, func(old retired) bool { return old.label == label })
		})
		if at.After(n.latest) {
			n.latest = at
		}
	}
	// All names are decided before any changes: the source may swap two.
	for i, key := range keys {
		switch {
		case n.labels[i] != "":
		case stays(i):
			n.labels[i] = found[i].label()
		default:
			name := printable(key.Version, maxName)
			n.labels[i] = unique(name, func(label string) bool {
				return slices.Contains(n.labels, label) || labelled(others, label)
			})
			switch {
			case name != key.Version:
				n.renamed = append(n.renamed, n.labels[i])
			case slices.ContainsFunc(o.list, func(v *version) bool { return v != found[i] && v.label() == name }):
				n.reused = append(n.reused, name)
			}
		}
	}
	return n
}

// renames reports whether the source has a new name for v.
func renames(key source.Key, v *version) bool { return key.Version != "" && key.Version != v.given }

// nameTime returns the time that a key without a name is named after: when it was created,
// if that is later than for all keys before it, else now. Files may all be of 1970.
func (o *roster) nameTime(key source.Key, now time.Time) time.Time {
	if key.CreatedAt.After(o.named) {
		return key.CreatedAt
	}
	return now
}

// unique returns the name, with a number if it is taken.
func unique(name string, taken func(label string) bool) string {
	label := name
	for n := 2; taken(label); n++ {
		number := fmt.Sprintf("#%d", n)
		label = printable(name, maxName-len(number)) + number
	}
	return label
}

// maxName is the length of the longest name of a version, in bytes.
const maxName = 128

// printable returns the first n bytes of a name, with a ? in place of what cannot be
// printed, such as a line feed or a character that reverses the text. Names are in logs,
// metrics and headers, where the source may not be trusted (F178).
func printable(name string, n int) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(name[:min(len(name), n)], "?"))
}

// labelled reports whether one of the versions has the label.
func labelled(list []*version, label string) bool {
	return slices.ContainsFunc(list, func(v *version) bool { return v.label() == label })
}
