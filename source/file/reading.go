package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// A reading is what the files held at one moment, one part a field.
type reading []part

type part struct {
	field
	resolved string // path without symbolic links
	missing  bool   // an optional field that is not there
	info     fs.FileInfo
	text     source.Secret
}

// writers says whether somebody had a file open for writing when it was read.
type writers int

const (
	writersNone writers = iota
	writersUnknown
	writersSome
)

// leased is readWhole but in tests.
var leased = readWhole

// sameContent reports whether r and o hold the same text; times, inodes and
// paths do not count (F15).
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

// switched reports whether every file of r lies elsewhere than in o, as when a
// symbolic link on the way was switched: nobody writes like that in place.
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

// half reports whether r looks like o on its way to something else: some fields
// have changed and some have not.
func (r reading) half(o reading) bool {
	if len(r) < 2 || len(r) != len(o) || r.switched(o) {
		return false
	}
	for i := range r {
		if !r[i].missing && r[i].text.Equal(o[i].text) || r[i].missing && !o[i].missing {
			return true
		}
	}
	return false
}

// take reads every file. With lease it also says whether anybody was writing.
func (s *Source) take(lease bool) (reading, writers, error) {
	// A link that is switched without pause could keep us here for ever (F22).
	for range 20 {
		r, w, err := s.takeOnce(lease)
		if !errors.Is(err, errMoved) {
			return r, w, err
		}
	}
	return nil, 0, fmt.Errorf("%w: %w", source.ErrUnavailable, errMoved)
}

// takeOnce resolves every path, reads, and resolves again: a bundle whose
// directory was switched in between is a mixed one (F26).
func (s *Source) takeOnce(lease bool) (reading, writers, error) {
	var r reading
	for _, f := range s.fields {
		resolved, err := filepath.EvalSymlinks(f.path)
		if errors.Is(err, fs.ErrNotExist) && !isMissing(f.path) {
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

// isMissing reports whether there is nothing at path, rather than that the
// directory it was about to lead to has just been switched and removed (F01).
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
	// Before opening: to open a device may set it going. After opening again: it
	// may be another file by then (F22).
	info, err := os.Lstat(p.resolved)
	if err == nil {
		err = p.regular(info)
	}
	if err != nil {
		return 0, p.fault(err)
	}
	f, err := os.OpenFile(p.resolved, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, p.fault(err)
	}
	defer f.Close()
	if p.info, err = f.Stat(); err == nil {
		err = p.regular(p.info)
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

// regular refuses what is no regular file, and what is too long to be a key.
func (p *part) regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%w: a directory, not a file", source.ErrInvalid)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: not a regular file", source.ErrInvalid)
	case info.Size() > source.MaxSize:
		return decode.ErrTooLong
	}
	return nil
}
