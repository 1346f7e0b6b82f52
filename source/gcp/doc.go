// Package gcp reads keys from Google Cloud's Secret Manager with the official client.
//
//	client, err := secretmanager.NewClient(ctx) // cloud.google.com/go/secretmanager/apiv1
//	src := gcp.New(client, "projects/acme/secrets/exchange", gcp.WithNames("id", "secret", "passphrase"))
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	gcp://acme/token                       one token
//	gcp://acme/keys?format=json            plain (default), json (the key document), pem
//	gcp://acme/exchange?id=id&secret=secret&passphrase=word
//	gcp://acme/europe-west3/token          a regional secret
//
// The source of a string uses the application default credentials and connects for each
// reading. A client that you pass to [New] keeps its connection.
//
// # Versions
//
// The set lists the enabled versions, newest first, ten at most. A version is named by its
// number, such as "7". The set is Complete: the ring stops using a disabled or destroyed version
// at the next reading, and uses it again after it is enabled. A version that is replaced stays
// usable until it is disabled.
//
// The source reads each value by the number of its version, never by "latest" or an alias, so
// that the value and the metadata belong to the same version. It checks the value's CRC32C.
// CreatedAt is create_time. The service has no other dates for a version.
//
// If the value is a key document, that of the newest version alone is the whole set.
//
// # Calls
//
// A reading makes one ListSecretVersions call, and one AccessSecretVersion call for each version
// that the source has not read before. By default the ring reads every 30 s. The source needs
// secretmanager.versions.list and secretmanager.versions.access: the roles Secret Manager Viewer
// and Secret Manager Secret Accessor.
//
// If the secret is deleted, if a policy no longer allows the source to read it, or if it
// cannot be decrypted because a key of your own (CMEK) is disabled, the reading fails and the
// ring keeps its keys. If the value of a version is no key, the source leaves the version out
// and warns, and the other versions stay usable.
package gcp
