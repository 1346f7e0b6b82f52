package file

import "strings"

// A history has, for each field, how often its file was replaced in the readings since the
// last successful one. The files of a key are perhaps replaced one by one.
type history []replaced

type replaced struct {
	part // as it was seen last
	n    int
}

// newHistory returns the history that begins with a successful reading.
func newHistory(r reading) history {
	h := make(history, len(r))
	for i, p := range r {
		h[i].part = p
	}
	return h
}

// add adds a reading. A text that begins with the one before is not another replacement: a
// process is writing the file in place.
func (h history) add(r reading) {
	for i := range h {
		was, p := &h[i], r[i]
		if p.missing || !was.missing && was.resolved == p.resolved && was.text.Equal(p.text) {
			continue
		}
		if was.n == 0 || was.resolved != p.resolved || !strings.HasPrefix(p.text.Expose(), was.text.Expose()) {
			was.n++
		}
		was.part = p
	}
}

// half reports whether the files of r, the reading that was added last, are perhaps of
// several keys: not all were replaced as often, or one is gone. Last is the last successful
// reading. With two rotations in a row, every file may differ from the one in last, and the
// key be mixed all the same (F174).
func (h history) half(r, last reading) bool {
	if len(h) < 2 {
		return false
	}
	least, most, name := -1, 0, -1
	for i, p := range r {
		n := h[i].n
		switch {
		case p.missing && !p.about && !last[i].missing && !r.switched(last):
			return true
		case p.missing:
		case p.name == versionFile && p.about:
			name = n
		case !p.about:
			most = max(most, n)
			if least < 0 || n < least {
				least = n
			}
		}
	}
	return most > 0 && (least < most || name >= 0 && name != most)
}
