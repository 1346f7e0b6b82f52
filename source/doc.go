// Package source says what a source of API keys is.
//
// A [Source] reads keys from one place: a file, an endpoint, a secrets manager.
// Package source/ring keeps what a source lists live:
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//
// The packages source/file, source/env, source/remote and source/oauth are sources. So
// are the modules for secrets managers beside them, such as source/vault. [Static] is a
// source of one key, and [First] tries several sources in order. [Parse] opens a source
// from a string.
//
// A [Key] is one version of one credential. A [Set] is what a source lists at one
// reading.
//
// # Writing a source
//
// A source has one method, Read, which returns the keys as they are now. The ring does
// what all sources need: it backs off, adds jitter, notices stale keys and remembers the
// last good ones. The source reports what only it knows:
//
//   - A [Set] with all valid versions, newest first, is Complete. A set with the one key
//     that the store has is not. Read leaves out disabled and deleted versions. A version
//     that becomes valid later has a NotBefore.
//   - An error is an [*Error]. It wraps one of this package's errors, names the source and
//     contains nothing of the data. If the server said when to try again, the error has
//     that in RetryAfter.
//   - Read returns when its context ends, and leaves no goroutine or descriptor behind.
//   - If the server can push changes, Notify tells the ring to read again. It carries no
//     data.
//   - [Plain], [PEM], [Document] and [Dotenv] decode the data. [Register] lets [Parse] open
//     the source from a string.
//
// conformance.TestSource checks a source against these rules.
package source
