// Package file reads keys from files and notices within milliseconds when they change.
//
// One file that holds one key, or a document that lists several:
//
//	src := file.New("/run/secrets/api-key")
//	src := file.New("/run/secrets/keys.json", file.WithDecoder(source.Document))
//
// A directory with one file a field, as a mounted Kubernetes Secret has it; id,
// secret and passphrase are published together or not at all:
//
//	src := file.Dir("/run/secrets/exchange") // api-key, api-secret and, if there, passphrase
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	file:///run/secrets/api-key                      one token
//	file:///run/secrets/keys?format=json             plain (default), json, pem, dotenv
//	file:///etc/bot.env?format=dotenv&prefix=KRAKEN  KRAKEN_API_KEY, KRAKEN_API_SECRET ...
//	file:///run/secrets/exchange/                    a directory, for the slash at its end
//	file:///run/secrets/exchange?id=user&secret=pass&passphrase=
//	file:///run/secrets/api-key?strict=true          WithStrictPermissions
//
// A string names a directory if its path ends in a slash, if it has one of id,
// secret and passphrase, or if there is a directory when it is parsed.
//
// # How to replace a key
//
// Best is what the kubelet does: write a new directory and switch a symbolic
// link to it. Next best is to write a new file and rename it over the old one.
// Nobody can see half of either. The first is served at once, the second too
// where the system tells that nobody writes.
//
// Writing in place works too. On Linux the source reads the file only when
// nobody has it open for writing, so half a key is never taken for one, however
// long the writer takes; it knows by a read lease (fcntl(2), F_SETLEASE), held
// for the microseconds of one reading, and only when the content has changed.
// A writer that opens the file in that moment waits for them; one that opens it
// with O_NONBLOCK gets EWOULDBLOCK. Where there are no leases (other systems,
// NFS, a file of another user) the source waits until two readings 20 ms apart
// are equal, which a slower writer can defeat. What no reader can know is that
// a writer that closed the file means to open it again and write more.
//
// Of a directory whose files are replaced one by one, the source waits up to 1 s
// for the second field to follow the first. If it takes longer, a pair that
// belongs to no key is served meanwhile: switch a link for pairs.
//
// An empty file, one that cannot be read or that holds something else is an
// error, and the ring goes on with the keys it has. A file that somebody keeps
// open for writing for longer than 1 s is an error too, until it is closed.
//
// # What is noticed
//
// The source watches the directory of the file, those of every symbolic link on
// the way, and the file itself; of a directory that is not there yet, the
// nearest one that is. One watcher serves the whole process. Some changes give
// no notice: on NFS and FUSE, a mount on top, and a rename on the host over a
// single file that is mounted into a container (subPath), which a container
// never sees at all. Keys are therefore read every 5 s as well, unless
// ring.WithPoll says otherwise.
//
// # Permissions
//
// A file that its group or others can write brings a warning: whoever can write
// it chooses the key. One that others can merely read does not, for that is how
// the kubelet mounts a Secret unless told otherwise. [WithStrictPermissions]
// refuses both. The mode is that of the file that symbolic links lead to.
package file
