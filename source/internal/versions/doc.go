// Package versions makes a set from the versions of a secret that a store lists. It fetches the
// value of each version once.
package versions
