// Package nats reads keys from a NATS JetStream key-value bucket and hears of a
// change within milliseconds.
//
//	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1)) // github.com/nats-io/nats.go
//	...
//	src := rknats.New(nc, "KEYS", "exchange")
//
// where rknats is this package under another name than the client's. Hand src to
// ring.Keep. The connection stays yours: close it after the ring, and let it
// reconnect for ever, for it gives up after 60 tries by default. Importing the
// package also opens source strings, which make a connection of their own,
// closed with the last ring that uses it:
//
//	nats://127.0.0.1:4222/KEYS/exchange              bucket KEYS, key exchange, one token
//	nats://a:4222/KEYS/k?server=b:4222&server=c:4222 a cluster
//	nats://a:4222/KEYS/k?format=json                 plain (default), json, pem, dotenv (with prefix)
//	nats://a:4222/KEYS/k?username=bot&password_file=/run/secrets/nats
//	nats://a:4222/KEYS/k?password_env=NATS_TOKEN     a token: a password without a user
//	nats://a:4222/KEYS/k?creds_file=/run/secrets/bot.creds
//	nats://a:4222/KEYS/k?tls=true                    or ca_file, cert_file, key_file
//
// There is no place for a password in such a string; the files and variables it
// names are read at each connection.
//
// # What is listed
//
// The bucket's history of the key, newest first, up to its last delete or purge
// marker. A version is named by the revision at which its content first stands in
// the history, such as "17" (a revision counts for the bucket, not for the key),
// and CreatedAt is the time of that revision. The same value put again is no
// rotation (F16); an old value put back is that version again (F71).
//
// The newest is current. Those before may be used until an overlap after they
// were replaced, 24 h unless [WithOverlap] (in a string: overlap, which the ring
// gets too) says otherwise, and no longer: the times are the server's, so that
// every process knows the previous key, one that has just started included. A
// bucket keeps a history of 1 unless it was made with more (nats kv add
// --history); then the ring remembers what it replaced.
//
// A marker revokes what was before it: to revoke the old key, purge the key and
// put the new one. A source whose watch hears of the marker knows it whatever the
// history. One that was away, or has just started, sees it only while it is in the
// history: a history of 2 has it until the second put after it, one of 1 until
// the first.
//
// A value that is a key document (format=json) says everything itself, and no
// history is looked at.
//
// # What is noticed
//
// The source watches the key, and reads it when it was put, deleted or purged.
// When a lost connection is back it watches anew, and reads. A server behind the
// one that gave notice is asked again for a second, for reads may be served by any
// replica; then the reading fails, and the ring keeps what it has. A bucket that
// was made anew is known by its times. One that was restored with an older value
// than was heard of looks like a server that is behind: put the key once more.
//
// # Permissions
//
// To read and watch a user needs to publish to $JS.API.STREAM.INFO.KV_KEYS,
// $JS.API.DIRECT.GET.KV_KEYS.>, $JS.API.STREAM.MSG.GET.KV_KEYS,
// $JS.API.CONSUMER.CREATE.KV_KEYS.> and $JS.API.CONSUMER.DELETE.KV_KEYS.>, and to
// subscribe to _INBOX.>. The server never answers a request that it does not
// permit, so that a refusal takes 5 s to show.
package nats
