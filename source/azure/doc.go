// Package azure reads keys from Azure Key Vault with the official client.
//
//	credential, err := azidentity.NewDefaultAzureCredential(nil)
//	client, err := azsecrets.NewClient("https://acme.vault.azure.net", credential, nil)
//	src := azure.New(client, "exchange", azure.WithNames("id", "secret", "passphrase"))
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	azure://acme/token                     one token, in the vault acme.vault.azure.net
//	azure://acme.vault.azure.cn/token      a vault of another cloud
//	azure://acme/keys?format=json          plain (default), json (the key document), pem
//	azure://acme/exchange?id=id&secret=secret&passphrase=word
//
// The source of a string logs in with the SDK's default credential, which tries the
// environment, workload identity, managed identity and command line tools.
//
// # Versions
//
// The set lists the enabled versions, newest first, ten at most, by their version ids.
// CreatedAt, NotBefore (nbf) and ExpiresAt (exp) are the dates that the vault has for a
// version. The set is Complete: the ring stops using a disabled version at the next reading,
// and uses it again after it is enabled. A version that is replaced stays usable until it is
// disabled or expires. To make it expire, set its exp.
//
// The vault's dates have whole seconds. If the newest two versions have the same date, the
// source asks the vault which one is the newest.
//
// If the value is a key document, that of the newest version whose nbf has come is the whole
// set, and its keys expire with the version's exp at the latest. The source never uses an
// older document when the newest has expired.
//
// # Calls
//
// A reading makes one call for each 25 versions, enabled or not, and one call for each
// version that the source has not read before. By default the ring reads every 30 s. Key
// Vault allows 4,000 calls in 10 s to a vault
// (https://learn.microsoft.com/azure/key-vault/general/service-limits). The source needs the
// permissions list and get on secrets: the role Key Vault Secrets User.
//
// If the secret is deleted, or a policy no longer allows the source to read it, the reading
// fails and the ring keeps its keys. If the value of a version is no key, the source leaves
// the version out and warns, and the other versions stay usable.
package azure
