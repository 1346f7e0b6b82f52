// Package storetest holds sources of keys that are kept in a store to one table
// of faults, and measures how soon they bring a new key. The package proxy below
// it makes a bad network for those that have one.
package storetest
