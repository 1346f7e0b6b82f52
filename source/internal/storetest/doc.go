// Package storetest tests the sources of stores with one table of faults, and measures how
// soon they return a new key. Package proxy, below this one, simulates a bad network.
package storetest
