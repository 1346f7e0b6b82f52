package ring

import (
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A roster has the versions of one source.
type roster struct {
	list    []*version // newest first: pending, current, previous
	retired []retired  // newest first
	named   time.Time  // the latest time that a key was named after
}

// retired is what is left of a version that is out of use: no key.
type retired struct {
	label   string
	digest  string
	figures *figures
	status  VersionStatus
}

// find returns the version that holds key already, nil if none does.
func (o *roster) find(key source.Key) *version {
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.is(key) }); i >= 0 {
		return o.list[i]
	}
	return nil
}
