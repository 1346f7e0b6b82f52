// Package peers runs the transport suite over other projects' RoundTrippers and
// over this project's, and writes the results as a table:
//
//	go test -update
//
// A module of its own keeps their modules out of everybody else's. Each peer is
// set up as well as its interface allows: it is asked for nothing that a user
// could not do, and gets the newest key whenever it asks for one. That a peer
// fails a case does not make it wrong: most of them never promised to rotate a
// key, only to send one.
package peers
