// Package toxic holds the Vault source against a bad network: tests only, with a
// real Vault behind toxiproxy. It is a module of its own, so that toxiproxy is
// nobody's dependency.
package toxic
