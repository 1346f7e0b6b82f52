// Package versions makes a set of the versions that a store lists of a secret, and
// fetches each version's value once.
package versions
