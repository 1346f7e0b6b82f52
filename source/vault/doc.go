// Package vault reads keys from a KV version 2 engine of HashiCorp Vault or OpenBao with the
// official client.
//
//	client, err := api.NewClient(api.DefaultConfig()) // VAULT_ADDR, VAULT_TOKEN ...
//	src, err := vault.New(client, "secret", "exchange", vault.WithNames("id", "secret", "passphrase"))
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	vault://vault.example.com:8200/secret/token          the field "secret", over https
//	vault:///secret/exchange?id=id&passphrase=word       the server that VAULT_ADDR names
//	vault:///secret/keys?format=json                     the data is a key document
//	vault:///team/kv/token?mount=team/kv                 a mount path of several parts
//	vault:///secret/token?token_file=/run/vault/token    WithLogin(TokenFile(...))
//	vault:///secret/token?role_id=app&secret_id_file=/run/secrets/secret-id&auth_mount=approle
//
// Without token_file and role_id the source uses the token in VAULT_TOKEN. AppRole reads its
// secret ID from the file, or else from VAULT_SECRET_ID. The client also reads the other
// VAULT_ variables, such as VAULT_CACERT and VAULT_NAMESPACE.
//
// # Versions
//
// The set lists every version that is neither deleted nor destroyed, newest first, ten at
// most. A version is named by its number, such as "7". The set is Complete: the ring stops
// using a deleted version at the next reading, and uses it again after an undelete. A version
// that is replaced stays usable until it is deleted or destroyed, or until max_versions
// removes it.
//
// CreatedAt is created_time. ExpiresAt is deletion_time if that is in the future, as
// delete_version_after sets it. The secret's custom_metadata can say more about a version,
// under names that begin with the version:
//
//	vault kv metadata patch -mount=secret \
//	    -custom-metadata=v8.not_before=2026-11-24T09:00:00Z \
//	    -custom-metadata=v7.expires_at=2026-11-25T09:00:00Z \
//	    -custom-metadata=v8.scopes="read trade" exchange
//
// Times have the format of RFC 3339, and scopes are separated by spaces. If a version has both
// a deletion_time and an expires_at, the earlier one counts. Set not_before before you write
// the version, so that it is never used too early. If a time is not valid, the source leaves
// the version out and warns, since the version might be used too early or for too long.
//
// If the data is a key document, the newest version whose not_before has come is the whole
// set, and its keys expire with the version at the latest. The source never uses an older
// document when the newest has expired.
//
// # Requests
//
// A reading makes one request for the metadata, which contains no secret, and one for each
// version that the source has not read before. By default the ring reads every 30 s. The
// policy must allow read on MOUNT/metadata/PATH and MOUNT/data/PATH.
//
// # Events
//
// If the server sends events, the source notices a change within milliseconds. Vault 1.13 and
// 1.14 do with the experiment events.alpha1, Vault 1.15 always does, and from 1.16 on only
// Vault Enterprise does. The policy must then allow one more path, and from 1.16 on the
// capability subscribe on the secret's path as well
// (https://developer.hashicorp.com/vault/docs/concepts/events):
//
//	path "sys/events/subscribe/kv-v2/*" { capabilities = ["read"] }
//
// With this policy the source keeps one WebSocket open. On it, Vault sends the events of all KV
// version 2 engines in the namespace. Events contain paths and no data, and the source ignores
// those of other paths. On a Vault with many writes and many clients, leave this path out of
// the policy.
//
// Without the events, and with OpenBao, the ring polls, and the source tries to subscribe again
// after an hour. If the server is a standby node, the source follows its redirect to the active
// node, as the client does for a reading: it follows one redirect, and none from https to http.
// If that node redirects again, the ring warns. Set VAULT_ADDR to the active node or to a load
// balancer then. While the source subscribes, which takes 5 s at most, a reading may have to
// wait. Vault sometimes loses an event: Vault 1.14 lost 1 of 200 in tests. The ring therefore
// polls in any case.
//
// # The token
//
// The source renews its token when half of the token's lease is over. It does so during a
// reading, and makes the ring read often enough. With [WithLogin] the source logs in at the
// first reading, when the token can no longer be renewed, and when Vault no longer knows the
// token. The policy "default" allows the two requests that this needs, auth/token/lookup-self
// and auth/token/renew-self. If Vault knows the token but a policy refuses the request, the
// source keeps the token, and the reading fails with [source.ErrDenied].
package vault
