// Package versions is what the sources have in common whose store lists versions
// of a secret: it makes a set of the list, and fetches each version's value once.
package versions
