// Package source says what a source of API keys is.
//
// A [Source] reads keys from one place: a file, an endpoint, a secrets manager.
// Package ring, below this one, keeps what a source lists live:
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//
// The packages file, env, remote and oauth below this one are sources, as are
// modules of their own for secrets managers. [Static] is a source of one key, and
// [First] asks several in order. [Parse] opens a source from a string.
//
// A [Key] is one version of one credential; a [Set] is what a source lists at one
// reading.
//
// # Writing a source
//
// A source is one method, Read, which returns the keys as they are now. What is
// common to all, back-off, jitter, staleness, the last good keys, is the ring's.
// A source says what it knows:
//
//   - A [Set] of all valid versions, newest first, is Complete; a set with the one
//     key that there is, is not. Disabled and deleted versions are left out; those
//     that are to come have their NotBefore.
//   - An error is an [*Error] that wraps one of this package's errors, names the
//     source and holds nothing of the data. RetryAfter carries the backend's wish.
//   - Read returns when its context ends, and holds no goroutine or descriptor
//     after that.
//   - If the backend can push, Notify says "read again", and carries no data.
//   - [Plain], [PEM], [Document] and [Dotenv] decode what is read; [Register] makes
//     the source open from a string with [Parse].
//
// conformance.TestSource holds a source against all of this.
package source
