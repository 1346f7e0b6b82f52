// Package age keeps a ring's cache encrypted, in the age format (age-encryption.org/v1).
//
// A ring with ring.WithCache survives a restart in the middle of a rotation,
// or while its source is down; but the cache holds the keys. Wrapped like this,
// what reaches the disk is of no use without the identity:
//
//	identity, err := age.ParseX25519Identity(os.Getenv("CACHE_IDENTITY")) // filippo.io/age
//	cache := rkage.Cache(ring.FileCache("/var/lib/bot/keys.age"), identity.Recipient(), identity)
//	keys, err := ring.Keep(ctx, src, ring.WithCache(cache))
//
// where rkage is this package, imported under another name than filippo.io/age.
// Any recipient and identity of that library will do, post-quantum and plugins
// included. A passphrase (scrypt) works too, and costs a second for every save.
//
// # What it protects, and what not
//
// Who can read the file learns its length and when it changed, nothing more.
// A file that was changed, cut short or encrypted to somebody else is not
// loaded: the ring says so in a Warning and starts from its source.
//
// age does not say who encrypted a file. Whoever can write the cache and knows
// the recipient, which is a public key, can put keys of their own into it, and
// whoever can merely write it can put an older cache back. ring.FileCache
// therefore takes no file that others than its owner can write; do not print
// the recipient where it is not needed.
//
// The identity opens the cache, so it must not lie beside it: take it from the
// environment, a mounted secret or a hardware plugin.
package age
