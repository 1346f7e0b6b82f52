// Package ring keeps API keys fresh.
//
// [Keep] keeps what a source lists live in a [Ring], which a transport draws from:
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	defer keys.Close()
//	fmt.Println(keys.Version(), keys.Status().Healthy)
//
// # Words
//
// A key is one version of one credential; a set is what a source lists at one
// reading; the ring has the live keys. The current key is the newest usable one,
// previous ones are those still usable behind it, for the overlap. A refusal is
// a response that says no because of the key. A held key was refused, and is used only
// if nothing else is left; a rejected one was refused where a newer one was accepted.
//
// # What a ring promises
//
// It always has the last good keys, perhaps slightly stale. The ring admits a set as a
// whole or not at all. A set that is empty, half-written, unusable, or that would leave no
// key to use, changes nothing but the ring's health. The ring compares what it reads by
// content: a notification that is lost, doubled or wrong costs nothing, and the ring
// polls all the same. If a source lists one key at a time, or a history, the ring uses a
// replaced key for [WithOverlap], from when the server first accepts its successor. A wrong
// key in the source therefore does not end the old one. If the source lists versions, the
// ring believes it about all of them, [source.Key.NotBefore], [source.Key.ExpiresAt] and
// revocation included.
//
// A version has the source's name for it, or one from the time when its content last
// changed, and never one from the secret. Status, events and logs show these names, and
// no secret. The content of a version is its ID, Secret and Extra. The same content
// under another name is the same version, renamed. Another content under the same name
// is another version, called "v5#2", and the ring emits a Warning. It also does if a name
// cannot be printed, or has more than 128 bytes: it then cuts the name, and has a ? for what
// cannot be printed.
//
// # Refusals
//
// A transport reports the outcome of each [Attempt] to the ring. If the current key is
// refused while a previous one is accepted, the ring holds the current one off: requests
// get the previous key, and after a pause one request that can be sent again probes the
// current one. The pause is 1 s, doubling up to 1 min. If no key is accepted, the ring
// reads the source again and again, for all waiting requests together and for
// [WithRefusalWait] at most; after that it reads it at most once a second.
//
// One spurious refusal of the only key changes nothing: if the server accepted the key last,
// the request is sent once more with it, and only a second refusal counts. No key is
// given up for good: while nothing is accepted, a rejected key is tried after all
// others, at most once in each of its pauses.
//
// # Events
//
// [Ring.Subscribe] and [WithObserver] deliver events in order, one at a time, on a
// goroutine of the observer's own. Events that an operator must see are also logged.
//
// # Health
//
// [Status] has in Degraded each state in which the ring works worse than it should, with
// its reason and what to do. The ring is healthy if there is none. Events of the kinds
// NoKey, AllRefused, FellBack, Stale, Expiring, Degraded and Warning report them when they
// begin; a new subscriber is told those that hold. Expiring and Degraded are repeated. Page
// somebody on all of these but FellBack and Warning, which are ordinary in a rotation or
// pass: if they last for 15 minutes, Degraded comes. Use Status.Ready, which says that
// there is a key to send, in readiness probes.
//
// # When a key is safe to revoke
//
// SafeToRevoke of [VersionStatus] is true for a previous version if the ring does not send
// it, no request, answer, session or caller uses it, and the current version makes it
// superfluous: it was accepted 10 minutes ago, was not refused in the hour before now, and
// the other was not sent for a minute. The counted uses are certain. That the current
// version is enough is a conclusion, from two premises:
//
//   - An acceptance comes from a part of the server that checks the key. An endpoint that
//     answers anybody would vouch for a wrong key: name such requests, by NeedsKey or
//     WithoutKey of package transport.
//   - Each part of the server, such as a replica, that this process will use and that does
//     not know the current version, has refused it to this process: first within 10 minutes
//     after another part accepted it, and then at least once an hour. A process whose only
//     connection leads to the one replica with the new key cannot know of the others.
//
// AcceptedSince and LastRefused of the current version say how much the conclusion rests on.
// If these premises do not hold for your API, wait longer. Status covers one process.
//
// # Writing a transport
//
// Call [Ring.Prepare] once. For each request call [Ring.Attempt], and report the outcome;
// [Attempt.Next] goes on with another key. [Attempt.Stream] counts an answer that is still
// open. Package transport does this.
package ring
