package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// naming is what the keys of a set are called from now on.
type naming struct {
	labels []string  // by key
	latest time.Time // roster.named, from now on
	reused []string  // names that stood for another key until now (F91)
}

// naming names the keys of a set, before a scheme sees them: held has the version that
// each key is, nil if it is new here. A key has the name that the source has for it now,
// else the one that it has already, else one from its time. A name that another version
// has, and keeps, gets a number.
func (o *roster) naming(keys []source.Key, held []*version, now time.Time) naming {
	n := naming{labels: make([]string, len(keys)), latest: o.named}
	keeps := func(i int) bool { return held[i] != nil && !renames(keys[i], held[i]) }
	var kept []*version // those of the roster that keep their names
	for _, v := range o.list {
		if i := slices.Index(held, v); i < 0 || keeps(i) {
			kept = append(kept, v)
		}
	}
	for i, key := range keys {
		if held[i] != nil || key.Version != "" {
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
	// All at once, since the source may swap two names.
	for i, key := range keys {
		switch {
		case n.labels[i] != "":
		case keeps(i):
			n.labels[i] = held[i].label()
		default:
			n.labels[i] = unique(key.Version, func(label string) bool {
				return slices.Contains(n.labels, label) || labelled(kept, label)
			})
			if slices.ContainsFunc(o.list, func(v *version) bool { return v != held[i] && v.label() == key.Version }) {
				n.reused = append(n.reused, key.Version)
			}
		}
	}
	return n
}

// renames reports whether the source has another name for v than before.
func renames(key source.Key, v *version) bool { return key.Version != "" && key.Version != v.given }

// nameTime is the time that a key without a name is named after: that of its
// making, if it is later than those that had names before; files may all be of 1970.
func (o *roster) nameTime(key source.Key, now time.Time) time.Time {
	if key.CreatedAt.After(o.named) {
		return key.CreatedAt
	}
	return now
}

// unique returns the name, or the name with a number that makes it one of its own.
func unique(name string, taken func(label string) bool) string {
	label := name
	for n := 2; taken(label); n++ {
		label = fmt.Sprintf("%s#%d", name, n)
	}
	return label
}

// labelled reports whether one of the versions has the label.
func labelled(list []*version, label string) bool {
	return slices.ContainsFunc(list, func(v *version) bool { return v.label() == label })
}
