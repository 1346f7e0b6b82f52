package file

import (
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	fieldtext "github.com/rollingkeys/rollingkeys/source/internal/field"
)

// decodeAll decodes a reading into a set.
func (s *Source) decodeAll(r reading) (source.Set, error) {
	var set source.Set
	var err error
	if s.dir {
		set, err = s.decodeDir(r.texts())
	} else {
		set, err = decode.Set(s.decode, []byte(r[0].text.Expose()))
	}
	if err != nil {
		return source.Set{}, err
	}
	// Only the first key gets the time: a second key would get the same version name.
	if len(set.Keys) > 0 && (s.dir || set.Keys[0].Version == "") && set.Keys[0].CreatedAt.IsZero() {
		for _, p := range r {
			if !p.missing && !p.about && p.info.ModTime().After(set.Keys[0].CreatedAt) {
				set.Keys[0].CreatedAt = p.info.ModTime()
			}
		}
	}
	if set.FreshFor == 0 {
		set.FreshFor = freshFor
	}
	return set, nil
}

// decodeDir decodes the files of a directory.
func (s *Source) decodeDir(texts map[string][]byte) (source.Set, error) {
	set, err := s.names.Key(texts)
	if err != nil {
		return source.Set{}, err
	}
	for _, f := range s.fields {
		text, ok := texts[f.name]
		if !f.about || !ok {
			continue
		}
		if f.name == versionFile {
			if set.Keys[0].Version, err = fieldtext.Token(text); err != nil {
				return source.Set{}, fmt.Errorf("field %q: %w", f.name, err)
			}
			continue
		}
		end, naive, ok := fieldtext.Time(string(fieldtext.Trim(text)))
		if !ok {
			return source.Set{}, fmt.Errorf("%w: field %q %s", source.ErrInvalid, f.name, fieldtext.NotATime)
		}
		if set.Keys[0].ExpiresAt = end; naive {
			set.Warnings = append(set.Warnings, s.wrap(fmt.Errorf("field %q %s", f.name, fieldtext.Naive)))
		}
	}
	return set, nil
}

// texts returns the contents of a directory's files by their names.
func (r reading) texts() map[string][]byte {
	texts := make(map[string][]byte)
	for _, p := range r {
		if !p.missing {
			texts[p.name] = []byte(p.text.Expose())
		}
	}
	return texts
}
