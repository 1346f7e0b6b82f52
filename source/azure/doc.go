// Package azure reads keys from Azure Key Vault with the official client.
//
//	credential, err := azidentity.NewDefaultAzureCredential(nil)
//	client, err := azsecrets.NewClient("https://acme.vault.azure.net", credential, nil)
//	src := azure.New(client, "exchange", azure.WithNames("id", "secret", "passphrase"))
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	azure://acme/token                     one token, of the vault acme.vault.azure.net
//	azure://acme.vault.azure.cn/token      a vault of another cloud
//	azure://acme/keys?format=json          plain (default), json (the key document), pem
//	azure://acme/exchange?id=id&secret=secret&passphrase=word
//
// A string's source logs in with the SDK's default credential: environment,
// workload identity, managed identity, command line tools.
//
// # Versions
//
// The enabled versions are in the set, the newest first, at most ten, under
// their version ids, with the dates that the vault has for them: CreatedAt,
// NotBefore (nbf) and ExpiresAt (exp). The set is complete: a version that is
// disabled is out of use with the next reading, and enabling it brings it back.
// A version that is replaced stays usable until it is disabled or expires; for
// an end in time, set its exp.
//
// Two versions of the same second are told apart by asking for the newest.
//
// If the value is a key document, that of the newest version whose nbf has come
// is the whole answer, and each of its keys ends with its version's exp at the
// latest. An older document never stands in for one that has expired.
//
// # Calls
//
// One call for each 25 versions, enabled or not, for each reading, by default
// every 30 s, and one for each version when it is first seen. Key Vault takes
// 4,000 calls in 10 s for a vault and throttles beyond
// (https://learn.microsoft.com/azure/key-vault/general/service-limits). The
// source needs the permissions list and get on secrets: the role Key Vault
// Secrets User.
//
// A secret that is deleted, or that a policy no longer lets us read, leaves the
// ring with the keys it has. A version whose value is no key is left out with a
// warning, and what was good stays in use.
package azure
