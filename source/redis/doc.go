// Package redis reads keys from Redis, or Valkey, and hears of a change within
// milliseconds.
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}) // github.com/redis/go-redis/v9
//	src := rkredis.New(client, "keys:exchange")
//
// where rkredis is this package under another name than the client's. Hand src
// to ring.Keep. The client stays yours: close it after the ring. It may be one
// of sentinel (NewFailoverClient); a cluster's is of another type and not for
// this package. Importing the package also opens source strings, which make a
// client of their own, closed with the last ring that uses it:
//
//	redis://127.0.0.1:6379/0?key=keys:exchange       database 0, one token
//	rediss://a:6379?key=k                            TLS; also ca_file, cert_file, key_file
//	redis://a:6379?key=k&format=json                 plain (default), json, pem, dotenv (with prefix)
//	redis://a:6379?key=k&id=user&secret=pass         a hash: WithNames
//	redis://a:6379?key=k&channel=keys-changed        WithChannel
//	redis://a:6379?key=k&username=bot&password_file=/run/secrets/redis
//
// There is no place for a password in such a string: password_env names an
// environment variable, password_file a file; both are read at each connection.
//
// # What is listed
//
// The value of the one Redis key: a string with a token, or whatever the decoder
// makes of it, or a hash with the fields of a pair ([WithNames]), read by one
// command and so never torn. Write a pair by one command as well:
//
//	HSET keys:exchange id k-2 secret s-2 passphrase p-2
//
// Redis keeps neither versions nor times: the ring names a key by when it first
// saw it, and remembers what it replaced for its overlap. Where every process
// must know of several keys and their lifetimes, put a key document (format=json).
//
// # What is noticed
//
// The source subscribes to the key's keyspace events, which a server must be told
// to send (redis.conf, or CONFIG SET):
//
//	notify-keyspace-events K$hgx
//
// Of a server that says that it sends none, the ring warns, polls, and asks again.
// Where the server cannot be told, let who rotates publish to a channel after the
// write, and name it ([WithChannel]):
//
//	MULTI / SET keys:exchange ... / PUBLISH keys-changed "" / EXEC
//
// Redis does not send again what nobody heard: after a lost connection the source
// subscribes anew, and reads. A connection that died without a word is found
// within 20 s.
//
// # Permissions
//
//	ACL SETUSER bot on >... ~keys:exchange &__keyspace@0__:keys:exchange +getrange +hmget +subscribe +ping +config|get
//
// config|get is not needed: without it the source takes it that events are sent.
package redis
