// Package option applies functional options.
package option

// Apply calls each of opts with to, in their order. A nil option is skipped: a
// caller that has an option only at times passes nil at the others (F125).
func Apply[T any, O ~func(T)](to T, opts []O) {
	for _, opt := range opts {
		if opt != nil {
			opt(to)
		}
	}
}
