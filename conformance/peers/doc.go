// Package peers compares this project's transport with RoundTrippers of other
// projects. It runs the transport suite of package conformance over each and writes
// the results as a table into README.md:
//
//	go test -update
//
// The package is a module of its own, so that no other module depends on the peers.
// Each peer is set up as well as a user could, and gets the newest key whenever it
// asks for one. A failed case does not mean that a peer is wrong: most peers promise
// to send a key, not to rotate it.
package peers
