//go:build !race

package fleet_test

const rings = 10_000
