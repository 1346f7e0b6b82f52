// Package etcd reads keys from etcd v3 and hears of a change within milliseconds.
//
//	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:2379"}})
//	...
//	src := etcd.New(client, "keys/exchange")
//
// Hand it to ring.Keep. The client stays yours: close it after the ring.
// Importing the package also opens source strings, which make a client of
// their own, closed with the last ring that uses it:
//
//	etcd://127.0.0.1:2379?key=keys/exchange               one token
//	etcd://a:2379?endpoint=b:2379&endpoint=c:2379&key=k   a cluster
//	etcd://a:2379?key=k&format=json                       plain (default), json, pem, dotenv (with prefix)
//	etcd://a:2379?key=k&username=bot&password_file=/run/secrets/etcd
//	etcd://a:2379?key=k&tls=true
//	etcd://a:2379?key=k&ca_file=...&cert_file=...&key_file=...
//
// There is no place for a password in such a string: password_env names an
// environment variable, password_file a file; both are read at each connection.
//
// # What is listed
//
// The value of the one etcd key: a token, or whatever the decoder makes of it.
// A single token's version is the modification revision at which the source first
// saw its content, such as "1042". Putting the same value again is no rotation
// (F16) and leaves the name, so that a job which puts it every minute makes no new
// names; a process that starts after that has the later revision. Who needs one
// name everywhere does not put a value again, or puts a key document. An old value
// that is put back comes under its new revision. etcd knows no time of change, so
// CreatedAt is empty.
//
// The revisions before are not listed, though etcd keeps them until it is
// compacted: it cannot say which of them are still valid. The ring remembers
// what it replaced for its overlap. Where every process must know of several
// keys, of their lifetimes and of revocation, put a key document (format=json).
//
// # What is noticed
//
// The source watches the key and reads it whenever it was put or deleted. After
// a lost connection the watch goes on from the revision it had; when that was
// compacted meanwhile, it begins anew, and reads. A watch on a member that lost
// its leader ends, so that it can begin anew on another. Readings are
// linearizable: a member that was cut off answers nothing rather than an old key.
//
// A client of your own decides how soon it connects again: gRPC's pause between
// two tries grows to 2 min unless Config.DialOptions say otherwise
// (grpc.WithConnectParams), and only Config.DialKeepAliveTime finds a connection
// that died without a word. Source strings have 10 s for either.
//
// # Permissions
//
// Reading the one key is enough, for the watch too:
//
//	etcdctl role grant-permission keys-reader read keys/exchange
//
// A key that was deleted, or whose lease ended, is an error, and the ring goes
// on with the keys it has.
package etcd
