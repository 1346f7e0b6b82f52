// Package storetest holds sources of keys that are kept in a networked store to
// one table of faults, and measures how soon they bring a new key. It is a
// module of its own: what it needs must not be on the list of those who use a
// source.
package storetest
