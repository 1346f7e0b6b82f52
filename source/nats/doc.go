// Package nats reads keys from a key-value bucket of NATS JetStream, and notices a change within
// milliseconds.
//
//	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1)) // github.com/nats-io/nats.go
//	...
//	src := rknats.New(nc, "KEYS", "exchange")
//
// Here rknats is this package, imported under a name other than the client's. Pass src to
// ring.Keep. The source does not close the connection: close it after the ring. Let it
// reconnect for ever, since by default it gives up after 60 tries. If the package is
// imported, [source.Parse] and ring.Open also open these source strings. Their sources make a
// connection of their own, and close it when no ring uses it any more:
//
//	nats://127.0.0.1:4222/KEYS/exchange              bucket KEYS, key exchange, one token
//	nats://a:4222/KEYS/k?server=b:4222&server=c:4222 a cluster
//	nats://a:4222/KEYS/k?format=json                 plain (default), json, pem, dotenv (with prefix)
//	nats://a:4222/KEYS/k?username=bot&password_file=/run/secrets/nats
//	nats://a:4222/KEYS/k?password_env=NATS_TOKEN     a token: a password without a user
//	nats://a:4222/KEYS/k?creds_file=/run/secrets/bot.creds
//	nats://a:4222/KEYS/k?tls=true                    or ca_file, cert_file, key_file
//
// A source string contains no password. The source reads the files and variables that it names
// for each connection.
//
// # Versions
//
// The source lists the values in the bucket's history of the key, newest first, back to the last
// delete or purge marker. A version is named by the first revision in the history that has its
// content, such as "17". Revisions count the changes of the whole bucket, not of the key.
// CreatedAt is the time of that revision. If the same value is put again, that is no
// rotation. If an old value is put again after another, it is the old version again.
//
// The newest version is current, and at most nine previous ones are listed with it. ReplacedAt
// is the server's time of the next put. The ring uses a previous version for its overlap, from
// when the API first accepts a newer one. A process that has just started knows the previous
// keys too. It counts the overlap from ReplacedAt, and keeps them until the API accepts a newer
// one. A wrong key in the bucket therefore does not end the old one. By default a bucket's
// history has one value only, and the ring remembers the keys that it replaces. Make the bucket
// with a longer history (nats kv add --history) to let the source list them. The source keeps
// the listed values in memory while the history has them.
//
// A marker revokes all values before it. To revoke the old key, purge the key and put the new
// one. If the source's watch has seen the marker, the source remembers it, however short the
// history is. If the source was not connected at that time, or has just started, it finds the
// marker only while the history has it: with a history of 2 until the second put after the
// marker, with a history of 1 until the first.
//
// A value that is a key document (format=json) lists all keys itself. The source then ignores
// the history.
//
// # Notifications
//
// The source watches the key, and the ring reads it when it is put, deleted or purged. After
// a lost connection the source watches again, and the ring reads the key. Any replica may
// answer a reading, and it may be behind the one that sent the notification. The source then
// asks again for a second. After that the reading fails, and the ring keeps its keys. The
// source recognizes by the times that a bucket was deleted and created again. If a bucket is
// restored with an older value than the watch has seen, it looks like a replica that is
// behind: put the key once more.
//
// # Permissions
//
// To read and watch, a user must be allowed to publish to $JS.API.STREAM.INFO.KV_KEYS,
// $JS.API.DIRECT.GET.KV_KEYS.>, $JS.API.STREAM.MSG.GET.KV_KEYS,
// $JS.API.CONSUMER.CREATE.KV_KEYS.> and $JS.API.CONSUMER.DELETE.KV_KEYS.>, and to subscribe
// to _INBOX.>. The server does not answer a request that it does not permit, so the source
// notices a refusal after 5 s.
package nats
