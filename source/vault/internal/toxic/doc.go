// Package toxic tests the Vault source over a bad network, with a real Vault behind
// toxiproxy. It is a module of its own, so that users of the source do not depend on
// toxiproxy.
package toxic
