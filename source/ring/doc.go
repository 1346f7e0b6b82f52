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
// the server's no because of the key.
//
// # What a ring promises
//
// It always has the last good keys, perhaps slightly stale. A set is one
// decision, taken whole or not at all; one that is empty, torn, unusable, or that
// would leave nothing to use, changes nothing but the ring's health. What was
// read is compared by content: an event that is lost, doubled or wrong costs
// nothing, and polling always runs underneath. The keys of a source that lists
// one at a time are remembered for [WithOverlap] once they are replaced; a source
// that lists versions is believed about all of them, [source.Key.NotBefore],
// [source.Key.ExpiresAt] and revocation included.
//
// Versions are named by the source, or by when their content last changed, and
// never after the secret. Status, events and logs show these names, and no secret.
// What a version is, its content says: ID, Secret and Extra. The same content
// under another name is the same version, renamed; another content under the same
// name is another, called "v5#2", and worth a warning.
//
// # Refusals
//
// A transport tells the ring what became of each [Attempt]. A current key that is
// refused while a previous one is accepted is held off: requests get the previous
// one, and one request at a time, of those that can be sent again, tries the current
// again after a pause of 1 s that doubles up to 1 min. When nothing is accepted, the
// source is read for all who wait together, again and again for [WithRefusalWait] at
// most, and then no more than once a second.
//
// One odd refusal of the only key counts for nothing: where the server accepted the
// key last and there is no other, the request is sent once more with it, and a second
// refusal counts. And no key is given up for good: one that was refused where a newer
// one was accepted has its turn after all others, at most once in its pause, while
// nothing is accepted.
//
// # Events
//
// [Ring.Subscribe] and [WithObserver] deliver events in order, one at a time, on
// no goroutine of the ring's. Those that an operator must see are logged.
//
// # Writing a transport
//
// Call [Ring.Prepare] once, then for each request [Ring.Attempt], and tell its
// outcome; [Attempt.Next] goes on with the next key. Package transport does.
package ring
