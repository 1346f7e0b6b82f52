package exchange

// nonces are the nonces of one key ID.
type nonces struct {
	window  uint64
	highest uint64
	used    map[uint64]bool // only with a window
}

// use marks n as used. It returns false if n was used before or is too low.
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
