// Package gcp reads keys from Google Cloud's Secret Manager with the official client.
//
//	client, err := secretmanager.NewClient(ctx) // cloud.google.com/go/secretmanager/apiv1
//	src := gcp.New(client, "projects/acme/secrets/exchange", gcp.WithNames("id", "secret", "passphrase"))
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	gcp://acme/token                       one token
//	gcp://acme/keys?format=json            plain (default), json (the key document), pem
//	gcp://acme/exchange?id=id&secret=secret&passphrase=word
//	gcp://acme/europe-west3/token          a regional secret
//
// A string's source uses the application default credentials and dials for each
// reading; a client that is given to [New] keeps its connection.
//
// # Versions
//
// The enabled versions are in the set, the newest first, at most ten, under
// their numbers: "7". The set is complete: a version that is disabled or
// destroyed is out of use with the next reading, and enabling it brings it
// back. A version that is replaced stays usable until somebody disables it.
//
// Each value is read by its version's number, never by "latest" or an alias, so
// that value and metadata are of one and the same version, and checked against
// its CRC32C. CreatedAt is create_time; the service has no other dates for a version.
//
// If the value is a key document, that of the newest version alone is the answer.
//
// # Calls
//
// One ListSecretVersions for each reading, by default every 30 s, and one
// AccessSecretVersion for each version when it is first seen. The source needs
// secretmanager.versions.list and secretmanager.versions.access: the roles
// Secret Manager Viewer and Secret Manager Secret Accessor.
//
// A secret that is deleted, that a policy no longer lets us read, or that cannot
// be decrypted because a key of your own (CMEK) is disabled, leaves the ring with
// the keys it has. A version whose value is no key is left out with a
// warning, and what was good stays in use.
package gcp
