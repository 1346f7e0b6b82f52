package file

import (
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/mode"
)

// decodeAll makes the set of a reading.
func (s *Source) decodeAll(r reading) (source.Set, error) {
	var set source.Set
	var err error
	if s.dir {
		set, err = s.names.Key(r.texts())
	} else {
		set, err = decode.Set(s.decode, []byte(r[0].text.Expose()))
	}
	if err != nil {
		return source.Set{}, err
	}
	// The first key only: a second one with the same time would share its version.
	if len(set.Keys) > 0 && set.Keys[0].Version == "" && set.Keys[0].CreatedAt.IsZero() {
		for _, p := range r {
			if !p.missing && p.info.ModTime().After(set.Keys[0].CreatedAt) {
				set.Keys[0].CreatedAt = p.info.ModTime()
			}
		}
	}
	if set.FreshFor == 0 {
		set.FreshFor = freshFor
	}
	return set, nil
}

// texts returns what is in a directory's files, by their names.
func (r reading) texts() map[string][]byte {
	texts := make(map[string][]byte)
	for _, p := range r {
		if !p.missing {
			texts[p.name] = []byte(p.text.Expose())
		}
	}
	return texts
}

// tooOpen lists the files whose mode lets others do too much (F24).
func (r reading) tooOpen(strict bool) []error {
	var found []error
	for _, p := range r {
		if p.missing {
			continue
		}
		at := ""
		if p.name != "" {
			at = p.name + ": "
		}
		switch perm := mode.Perm(p.info); {
		case perm&0o022 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets others than the owner write", at, perm))
		case strict && perm&0o007 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets everybody read", at, perm))
		}
	}
	return found
}
