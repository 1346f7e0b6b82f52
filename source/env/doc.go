// Package env reads keys from environment variables, and from files that environment
// variables name.
//
//	src := env.New("API_KEY")     // one token, password or PEM block
//	src := env.Pair("EXCHANGE")   // EXCHANGE_API_KEY, EXCHANGE_API_SECRET, EXCHANGE_API_PASSPHRASE
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	env://API_KEY
//	env://EXCHANGE?pair=true
//
// [source.Dotenv] documents the names that belong to a prefix. They include those of the
// previous key, such as EXCHANGE_API_KEY_PREVIOUS. An empty variable counts as unset. The
// exception is an empty API_SECRET beside an API_KEY, which is an error.
//
// # Files
//
// Instead of NAME, the variable NAME_FILE may be set to the path of a file that contains the
// value, as is usual for container images. It is an error to set both. Package source/file
// reads and watches the file, so a half-written file is never used.
//
// The environment of a process is fixed when the process starts. A key in a variable
// therefore never rotates, unless the process itself calls [os.Setenv]: the next poll or
// refresh then finds the new key. For rotation, use NAME_FILE. If no variable is set, or its
// value is no key, ring.Keep and client.New fail at once.
//
// If several variables name files, the source reads the files until two readings in a row
// are equal. It can do no more for a pair in two files: if the files are replaced one after
// the other, a reading in between mixes two keys. Mount the pair as one directory and
// replace it by switching one link, or use file.Dir.
package env
