//go:build race

package fleet_test

// The race detector takes about 8,000 goroutines, and its time.
const rings = 1_000
