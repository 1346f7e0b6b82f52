// Package file reads keys from files, and notices within milliseconds when they change.
//
// A file contains one key, or a document that lists several:
//
//	src := file.New("/run/secrets/api-key")
//	src := file.New("/run/secrets/keys.json", file.WithDecoder(source.Document))
//
// A directory contains one file for each field of a key, like a mounted Kubernetes Secret.
// The ID, the secret and the passphrase are published together or not at all:
//
//	src := file.Dir("/run/secrets/exchange") // api-key, api-secret and, if it exists, passphrase
//
// The files version and expires-at may say which version it is, and when it expires.
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	file:///run/secrets/api-key                      one token
//	file:///run/secrets/keys?format=json             plain (default), json, pem, dotenv
//	file:///etc/bot.env?format=dotenv&prefix=KRAKEN  KRAKEN_API_KEY, KRAKEN_API_SECRET ...
//	file:///run/secrets/exchange/                    a directory, because of the slash at the end
//	file:///run/secrets/exchange?id=user&secret=pass&passphrase=
//	file:///run/secrets/api-key?strict=true          WithStrictPermissions
//
// A string names a directory if its path ends in a slash, if it has one of the parameters
// id, secret and passphrase, or if a directory exists at the path when the string is
// parsed.
//
// # How to replace a key
//
// The best way is that of the kubelet: write a new directory, and switch a symbolic link
// to it. The second best is to write a new file and rename it over the old one. With either
// way, no reader can see half a key. After a switched link the source serves the new key at
// once. After a rename it does so too on systems with read leases, which the next paragraph
// explains.
//
// Writing the file in place works as well. On Linux the source accepts new content only
// while no process has the file open for writing, so it never uses half a key, however slow
// the writer is. The source gets that from a read lease (fcntl(2), F_SETLEASE). It takes
// the lease only if the content has changed, for the microseconds of one reading. A process
// that opens the file for writing in that moment waits for the end of the lease. With
// O_NONBLOCK the process gets EWOULDBLOCK instead. Where there are no leases (other systems,
// NFS, a file of another user), the source waits until two readings 20 ms apart are equal.
// A slow writer can pause for longer than that, and the source then reads half a key. No
// reader can know that a process which has closed the file will open it again to write
// more.
//
// If the files of a directory are replaced one by one, the source waits up to 1 s until
// each has been replaced as often as the others. If that takes longer, the source serves a
// pair that belongs to no key until then. To replace a pair, switch a link.
//
// An empty file, a file that cannot be read and one that contains no key are errors, and
// the ring keeps the keys that it has. A file that a process keeps open for writing for
// longer than 1 s is an error too, until the process closes it.
//
// # Notifications
//
// The source watches the file, its directory, and the directory of every symbolic link on
// the path. If a directory does not exist yet, the source watches the nearest one that
// does. All sources of a process share one watcher. Some changes cause no notification: a
// change on NFS or FUSE, a new mount over the path, and a rename on the host over a single
// file that is mounted into a container (subPath). The container never sees the last one.
// The ring therefore also reads the keys every 5 s, unless ring.WithPoll sets another
// interval.
//
// On Plan 9, js/wasm and wasip1 there are no notifications and no leases: Notify fails, and
// the ring reads the keys every 5 s. In WebAssembly the host must give access to the files.
//
// # Permissions
//
// If the group of a file or other users can write it, the source warns: whoever can write
// the file chooses the key. If they can only read it, the source does not warn, because the
// kubelet mounts a Secret like that by default. [WithStrictPermissions] refuses files that
// the group or others can write, files that others can read, files of another user than root
// and the process's own, and files in a directory where another user could replace them. If
// the path leads through symbolic links, the mode that counts is that of the file at the end,
// and the directories are those of all links.
package file
