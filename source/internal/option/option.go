// Package option applies functional options.
package option

// Apply calls each option with to, in order. It skips a nil option, so that a caller can pass
// nil for an option that does not apply (F125).
func Apply[T any, O ~func(T)](to T, opts []O) {
	for _, opt := range opts {
		if opt != nil {
			opt(to)
		}
	}
}
