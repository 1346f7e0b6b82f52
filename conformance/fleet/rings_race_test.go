//go:build race

package fleet_test

// The race detector is slow and supports about 8,000 goroutines.
const rings = 1_000
