// Package age encrypts the cache of a ring in the age format (age-encryption.org/v1).
//
// With ring.WithCache a ring can restart in the middle of a rotation, or while its source is
// down. But the cache contains the keys. This package encrypts the cache, so the file on disk
// is useless without the identity:
//
//	identity, err := age.ParseX25519Identity(os.Getenv("CACHE_IDENTITY")) // filippo.io/age
//	cache := rkage.Cache(ring.FileCache("/var/lib/bot/keys.age"), identity.Recipient(), identity)
//	keys, err := ring.Keep(ctx, src, ring.WithCache(cache))
//
// Here rkage is this package, imported under a name other than that of filippo.io/age. Every
// recipient and identity of that library can be used, also post-quantum ones and plugins. With a
// passphrase (scrypt) each save takes a second.
//
// # What it protects
//
// Whoever can read the file learns only its length and when it changed. If a file was
// changed, cut short or encrypted to another recipient, it is not loaded: the ring emits a
// Warning and starts from its source.
//
// The age format does not say who encrypted a file. Whoever can write the cache and knows the
// recipient, which is a public key, can write keys of their own into the cache. Whoever can only
// write it can replace it with an older one. For this reason ring.FileCache refuses a file that
// users other than its owner can write. Do not publish the recipient without need.
//
// The identity decrypts the cache, so do not store it beside the cache. Read it from the
// environment, a mounted secret or a hardware plugin.
package age
