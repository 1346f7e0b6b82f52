// Package env reads keys from environment variables, and from files that
// environment variables name.
//
//	src := env.New("API_KEY")     // one token, or a PEM block
//	src := env.Pair("EXCHANGE")   // EXCHANGE_API_KEY, EXCHANGE_API_SECRET, EXCHANGE_API_PASSPHRASE
//
// and the same as source strings, which importing the package opens:
//
//	env://API_KEY
//	env://EXCHANGE?pair=true
//
// The names behind a prefix, the key before (EXCHANGE_API_KEY_PREVIOUS and so on)
// included, are those of [source.Dotenv]. An empty variable counts as
// unset, but for an API_SECRET beside an API_KEY: that is an error.
//
// # Files
//
// Instead of NAME, NAME_FILE may be set, to the path of a file that holds the
// value, as container images have it; both at once is an error. The file is read
// as package source/file reads one: never half written, and watched.
//
// The environment of a process is fixed when it starts, so a variable that
// holds the key itself never rotates, unless the process sets it (os.Setenv):
// that is seen at the next poll or Refresh. For rotation, use NAME_FILE.
//
// Files that several variables name are read until two readings in a row agree.
// That is all that can be done for a pair in two places: if it is replaced in
// two steps, a reading between them is a mixed one. Mount a pair as one
// directory, replaced by one switch of a link, or use file.Dir.
package env
