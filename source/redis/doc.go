// Package redis reads keys from Redis or Valkey, and notices a change within milliseconds.
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}) // github.com/redis/go-redis/v9
//	src := rkredis.New(client, "keys:exchange")
//
// Here rkredis is this package, imported under a name other than the client's. Pass src to
// ring.Keep. The source does not close the client: close it after the ring. The client may use
// sentinel (NewFailoverClient). A cluster client has another type and cannot be used. If the
// package is imported, [source.Parse] and ring.Open also open these source strings. Their
// sources make a client of their own, and close it when no ring uses it any more:
//
//	redis://127.0.0.1:6379/0?key=keys:exchange       database 0, one token
//	rediss://a:6379?key=k                            TLS; also ca_file, cert_file, key_file
//	redis://a:6379?key=k&format=json                 plain (default), json, pem, dotenv (with prefix)
//	redis://a:6379?key=k&id=user&secret=pass         a hash: WithNames
//	redis://a:6379?key=k&channel=keys-changed        WithChannel
//	redis://a:6379?key=k&username=bot&password_file=/run/secrets/redis
//
// A source string contains no password. password_env names an environment variable, and
// password_file a file. The source reads it for each connection.
//
// # Versions
//
// The source lists what the value of the one Redis key contains. The value is a string with a
// token, a string that the decoder decodes, or a hash with the fields of a pair ([WithNames]).
// The source reads a hash with one command, so it never mixes two keys. Write a pair with one
// command as well:
//
//	HSET keys:exchange id k-2 secret s-2 passphrase p-2
//
// Redis has neither versions nor times. The ring names a version by the time at which it first
// saw the content, and remembers the keys that it replaces for its overlap. If every process
// must know several keys and their lifetimes, write a key document (format=json).
//
// # Notifications
//
// The source subscribes to the keyspace events of the key. The server sends them only if it is
// configured to (redis.conf, or CONFIG SET):
//
//	notify-keyspace-events K$hgx
//
// If the server says that it does not send them, the ring warns and polls, and the source
// asks again later. If the server cannot be configured, let the program that rotates the key
// publish a message to a channel after the write, and name the channel with [WithChannel]:
//
//	MULTI / SET keys:exchange ... / PUBLISH keys-changed "" / EXEC
//
// Redis does not repeat a message that no client received. After a lost connection the source
// subscribes again, and the ring reads the key. The source notices within 20 s that a connection
// broke without an error.
//
// # Permissions
//
//	ACL SETUSER bot on >... ~keys:exchange &__keyspace@0__:keys:exchange +getrange +hmget +subscribe +ping +config|get
//
// config|get is optional. Without it, the source assumes that the server sends events.
package redis
