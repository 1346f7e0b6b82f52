// Package vault reads keys from a KV version 2 engine of HashiCorp Vault or
// OpenBao, with the official client.
//
//	client, err := api.NewClient(api.DefaultConfig()) // VAULT_ADDR, VAULT_TOKEN ...
//	src, err := vault.New(client, "secret", "exchange", vault.WithNames("id", "secret", "passphrase"))
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	vault://vault.example.com:8200/secret/token          the field "secret", over https
//	vault:///secret/exchange?id=id&passphrase=word       the server that VAULT_ADDR names
//	vault:///secret/keys?format=json                     the data is a key document
//	vault:///team/kv/token?mount=team/kv                 a mount path of several parts
//	vault:///secret/token?token_file=/run/vault/token    WithLogin(TokenFile(...))
//	vault:///secret/token?role_id=app&secret_id_file=/run/secrets/secret-id&auth_mount=approle
//
// Without token_file and role_id the token is that of VAULT_TOKEN. AppRole takes
// its secret id from the file, else from VAULT_SECRET_ID. The client reads the
// other VAULT_ variables, VAULT_CACERT and VAULT_NAMESPACE among them.
//
// # Versions
//
// Every version that is neither deleted nor destroyed is in the set, the newest
// first, at most ten, under its number: "7". The set is complete, so what is
// deleted is out of use with the next reading, and undeleting brings it back.
// A version that is replaced stays usable until it is deleted, destroyed, or
// pushed out by max_versions; for an end in time, set one:
//
// CreatedAt is created_time. ExpiresAt is a deletion_time that lies ahead, as
// delete_version_after makes it. More can be said in the secret's
// custom_metadata, under names that begin with the version:
//
//	vault kv metadata patch -mount=secret \
//	    -custom-metadata=v8.not_before=2026-11-24T09:00:00Z \
//	    -custom-metadata=v7.expires_at=2026-11-25T09:00:00Z \
//	    -custom-metadata=v8.scopes="read trade" exchange
//
// Times are RFC 3339, scopes are separated by spaces. Of two ends the earlier
// counts. Say not_before before you write the version: it holds from the first
// moment then. A version whose times cannot be read is left out with a warning,
// since it might be used too soon or too long.
//
// If the data is a key document, that of the newest version whose not_before has
// come is the whole answer, and each of its keys ends with its version at the
// latest. An older document never stands in for one that has expired.
//
// # Requests
//
// A reading is one request for the metadata, which holds no secret, by default
// every 30 s, and one for each version when it is first seen. The policy needs
// read on MOUNT/metadata/PATH and MOUNT/data/PATH.
//
// # Events
//
// Where the server sends events, a change is seen within milliseconds: Vault 1.13
// and 1.14 with the experiment events.alpha1, 1.15 as it is, Vault Enterprise from
// 1.16 on. The policy then needs one more path, and from 1.16 on the capability
// subscribe on the secret's as well:
//
//	path "sys/events/subscribe/kv-v2/*" { capabilities = ["read"] }
//
// (https://developer.hashicorp.com/vault/docs/concepts/events). With it the source
// holds one WebSocket, on which Vault sends the events of every KV version 2 engine
// of the namespace: they hold paths and no data, and those of other paths are
// ignored. On a Vault with many writes and many clients leave the path out.
//
// Without it, and with OpenBao, the source polls; it asks for events again after an
// hour. A standby that names the active node is followed to there, as in a reading:
// by one redirect, never from https to http. One that leads on is a fault of which
// the ring warns; point VAULT_ADDR at the active node, or at a load balancer, then.
// Arming the events takes 5 s at most, in which a reading may have to wait. Vault loses an event now and then, 1 of 200 in our tests of 1.14: events
// make the poll faster and never replace it.
//
// # The token
//
// It is renewed when half of its lease is over, in the course of a reading; the
// source asks the ring to read often enough. With [WithLogin] the source logs
// in when it must: at first, when the token cannot be renewed any longer, and when
// Vault does not know it any more. The policy "default" allows what this
// needs, auth/token/lookup-self and renew-self. A token that a policy merely
// refuses is kept, and the reading fails with source.ErrDenied.
package vault
