package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/mode"
)

// A reading is the content of the files at one moment. It has one part for each field.
type reading []part

type part struct {
	field
	resolved string // path without symbolic links
	missing  bool   // the field is optional, and its file does not exist
	info     fs.FileInfo
	text     source.Secret
}

// writers says whether a process had a file open for writing when the file was read.
type writers int

const (
	writersNone writers = iota
	writersUnknown
	writersSome
)

// leased is readWhole, except in tests.
var leased = readWhole

// sameContent reports whether r and o have the same text. Times, inodes and paths do not
// count (F15).
func (r reading) sameContent(o reading) bool {
	if len(r) != len(o) {
		return false
	}
	for i := range r {
		if r[i].missing != o[i].missing || !r[i].text.Equal(o[i].text) {
			return false
		}
	}
	return true
}

// switched reports whether every file of r has another resolved path than in o. Then a
// symbolic link was switched, and no file was written in place.
func (r reading) switched(o reading) bool {
	if len(r) != len(o) {
		return false
	}
	for i := range r {
		if r[i].missing && o[i].missing {
			continue
		}
		if r[i].resolved == o[i].resolved {
			return false
		}
	}
	return true
}

// take reads every file. If lease is true, it also reports whether a process had one of
// them open for writing.
func (s *Source) take(lease bool) (reading, writers, error) {
	// F22: a link that is switched all the time must not cause an endless loop.
	for range 20 {
		r, w, err := s.takeOnce(lease)
		if err == nil && w != writersSome {
			s.seen.add(r)
		}
		if !errors.Is(err, errMoved) {
			return r, w, err
		}
	}
	return nil, 0, fmt.Errorf("%w: %w", source.ErrUnavailable, errMoved)
}

// takeOnce resolves every path, reads the files, and resolves the paths again. If a
// directory was switched in between, the fields may belong to different keys (F26).
func (s *Source) takeOnce(lease bool) (reading, writers, error) {
	var r reading
	for _, f := range s.fields {
		resolved, err := filepath.EvalSymlinks(f.path)
		if errors.Is(err, fs.ErrNotExist) && !isMissing(f.path) {
			// F182: /dev/fd/3 leads to a pipe, which has no path.
			if info, err := os.Stat(f.path); err == nil && regular(info) != nil {
				return nil, 0, describe(f, regular(info))
			}
			return nil, 0, errMoved
		}
		missing := f.optional && errors.Is(err, fs.ErrNotExist)
		if err != nil && !missing {
			return nil, 0, describe(f, err)
		}
		r = append(r, part{field: f, resolved: resolved, missing: missing})
	}
	most := writersNone
	for i := range r {
		w, err := r[i].read(lease)
		if err != nil {
			return nil, 0, err
		}
		most = max(most, w)
		if s.opened != nil {
			s.opened(r[i].name)
		}
	}
	for i := range r {
		resolved, err := filepath.EvalSymlinks(r[i].path)
		if missing := errors.Is(err, fs.ErrNotExist); missing != r[i].missing || !missing && resolved != r[i].resolved {
			return nil, 0, errMoved
		}
	}
	return r, most, nil
}

// isMissing reports whether there is no file at path. It returns false if a link on the path
// was switched during the check: the old directory is then gone, and the path leads to the
// new one (F01).
func isMissing(path string) bool {
	before := chain(nil, path)
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) && slices.Equal(before, chain(nil, path))
}

// read fills in info and text.
func (p *part) read(lease bool) (writers, error) {
	if p.missing {
		return writersNone, nil
	}
	// F22: check before the file is opened, because opening a device may have an effect,
	// and again afterwards, because it may be another file by then.
	info, err := os.Lstat(p.resolved)
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return 0, p.fault(err)
	}
	f, err := os.OpenFile(p.resolved, os.O_RDONLY|mode.NonBlock, 0)
	if err != nil {
		return 0, p.fault(err)
	}
	defer f.Close()
	if p.info, err = f.Stat(); err == nil {
		err = regular(p.info)
	}
	if err != nil {
		return 0, p.fault(err)
	}
	var data []byte
	read := func() (err error) {
		data, err = decode.ReadAll(io.NewSectionReader(f, 0, source.MaxSize+1))
		return err
	}
	w := writersUnknown
	if lease {
		w, err = leased(f, read)
	} else {
		err = read()
	}
	if err != nil {
		return 0, p.fault(err)
	}
	p.text = source.NewSecret(string(data))
	return w, nil
}

// regular returns an error unless the file is a regular one and short enough for a key.
func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%w: it is a directory, not a file", source.ErrInvalid)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a regular file", source.ErrInvalid)
	case info.Size() > source.MaxSize:
		return decode.ErrTooLong
	}
	return nil
}
