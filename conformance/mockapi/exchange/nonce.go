package exchange

// nonces are those seen of one key.
type nonces struct {
	window  uint64
	highest uint64
	used    map[uint64]bool // within the window
}

// use takes n, or reports that it was used or is too low.
func (s *nonces) use(n uint64) bool {
	switch {
	case n > s.highest:
		s.highest = n
	case s.highest-n > s.window || s.window == 0 || s.used[n]:
		return false
	}
	if s.window == 0 {
		return true
	}
	if s.used == nil {
		s.used = make(map[uint64]bool)
	}
	s.used[n] = true
	return true
}
