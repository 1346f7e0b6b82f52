// Package etcd reads keys from etcd v3, and notices a change within milliseconds.
//
//	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:2379"}})
//	...
//	src := etcd.New(client, "keys/exchange")
//
// Pass src to ring.Keep. The source does not close the client: close it after the ring. If the
// package is imported, [source.Parse] and ring.Open also open these source strings. Their
// sources make a client of their own, and close it when no ring uses it any more:
//
//	etcd://127.0.0.1:2379?key=keys/exchange               one token
//	etcd://a:2379?endpoint=b:2379&endpoint=c:2379&key=k   a cluster
//	etcd://a:2379?key=k&format=json                       plain (default), json, pem, dotenv (with prefix)
//	etcd://a:2379?key=k&username=bot&password_file=/run/secrets/etcd
//	etcd://a:2379?key=k&tls=true
//	etcd://a:2379?key=k&ca_file=...&cert_file=...&key_file=...
//
// A source string contains no password. password_env names an environment variable, and
// password_file a file. The source reads it for each connection.
//
// # Versions
//
// The source lists what the value of the one etcd key contains: a token, or what the decoder
// makes of the value. A single token is named by the modification revision at which the source
// first saw its content, such as "1042". If the same value is put again, that is no rotation
// and the name stays: a job that puts the value every minute makes no new names. A
// process that starts later sees a later revision and uses that as the name. If all processes
// must use the same name, do not put a value again, or put a key document. If an old value is
// put again after another, its name is the new revision. etcd has no time of a change, so
// CreatedAt is zero.
//
// The source does not list earlier revisions, although etcd keeps them until it is compacted:
// etcd does not know which of them are still valid. The ring remembers the keys that it
// replaces for its overlap. If every process must know several keys, their lifetimes and their
// revocation, put a key document (format=json).
//
// # Notifications
//
// The source watches the key, and the ring reads it whenever it is put or deleted. After a lost
// connection the watch continues from its last revision. If that revision was compacted in the
// meantime, the source begins a new watch, and the ring reads the key. If a member of the
// cluster loses its leader, its watches end, and the source can watch another member. Readings
// are linearizable: a member without contact to the others does not answer with an old key.
//
// A client of your own decides when it connects again. gRPC's pause between two tries grows to
// 2 min unless Config.DialOptions set another limit (grpc.WithConnectParams). Without
// Config.DialKeepAliveTime the client does not notice a connection that broke without an error.
// The clients of source strings use 10 s for both.
//
// # Permissions
//
// The right to read the key is enough, also for the watch:
//
//	etcdctl role grant-permission keys-reader read keys/exchange
//
// If the key is deleted, or its lease ends, the reading fails and the ring keeps its keys.
package etcd
