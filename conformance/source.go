package conformance

import (
	"io"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A SourceHarness says how [TestSource] gets at a source and what is behind it.
type SourceHarness struct {
	// New makes a backend without a key in it and a source that reads it; each
	// case has its own. Both last until the test ends: clean up with t.Cleanup.
	New func(t testing.TB) SourceBackend
	// Key makes the n-th key. Default [NewKey], which has a secret only; a
	// source of pairs adds an ID, so that a torn pair shows. Secrets begin with
	// [Sentinel].
	Key func(n int) source.Key
	// Lists says that the source lists all valid keys (Set.Complete); by
	// default it has one key at a time. The first set after a deletion may be
	// complete in either case.
	Lists bool
	// Limit is how long a case waits for what must come before it has failed.
	// Default 10 s; what is known to fail wants less.
	Limit time.Duration
	// Skip names the cases that do not apply, each with the reason.
	Skip map[string]string
}

// A SourceBackend is a source and the hands behind it. Put and Delete are
// required; where another is nil, its case must be in Skip. They do what they
// say before they return, and fail the test if they cannot.
type SourceBackend struct {
	Source source.Source
	// Put replaces what the backend holds by keys, newest first, in the way in
	// which it is done in earnest. Without Lists it gets one key. No key at all
	// means a backend that is there and holds none: an empty file, an empty list.
	// It also ends what Break, Deny, Hang and Tear began, if Repair did not.
	Put func(keys ...source.Key)
	// Delete takes the entry away whole: no file, no such path.
	Delete func()
	// Break makes the backend unreadable: the server is down, the file a
	// directory. Repair undoes it; what was Put is there again.
	Break, Repair func()
	// Hang makes the backend accept readings and answer none, until Repair.
	Hang func()
	// Deny makes the backend refuse us, Restore undoes it.
	Deny, Restore func()
	// Tear leaves what a writer leaves that is halfway through writing next.
	Tear func(next source.Key)
	// Close lets go of what the source's client keeps between readings, such as
	// idle connections. Default: the source's own Close, if it has one. A client
	// whose pool cannot be emptied is to have one connection at most: what Read or
	// Notify leave behind would make the pool grow within the case Leaks.
	Close func()
}

type sourceCase struct {
	Case
	run func(*sourceTrial)
}

// SourceCases lists the cases of [TestSource], in order.
func SourceCases() []Case {
	var list []Case
	for _, c := range sourceCases {
		list = append(list, c.Case)
	}
	return list
}

// TestSource holds a source to its contract: see [SourceCases] and source.Source.
// Each case reads the source itself or keeps it in a ring with [ring.Keep].
func TestSource(t *testing.T, h SourceHarness) {
	t.Helper()
	var names []string
	for _, c := range sourceCases {
		names = append(names, c.Name)
	}
	checkSkip(t, h.Skip, names)
	for _, c := range sourceCases {
		t.Run(c.Name, func(t *testing.T) { c.try(t, h) })
	}
}

// SourceResults runs the cases of [TestSource] as data: a failure is a result,
// and no failure of t.
func SourceResults(t testing.TB, h SourceHarness) []Result {
	var results []Result
	for _, c := range sourceCases {
		results = append(results, judge(t, c.Case, func(t testing.TB) { c.try(t, h) }))
	}
	return results
}

// try runs one case.
func (c sourceCase) try(t testing.TB, h SourceHarness) {
	if reason := h.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	s := newSourceTrial(t, h)
	t.Cleanup(s.search) // once the case's rings have said their last
	c.run(s)
}

var sourceCases = []sourceCase{
	{Case{"FirstValue", "A key that is there is read whole, directly and by a ring."}, firstValue},
	{Case{"NoValueYet", "With no key yet, Read says so with a typed error and Keep waits for the first."}, noValueYet},
	{Case{"Update", "A new key becomes current, and the one before stays usable for the overlap."}, update},
	{Case{"SameContent", "Writing the same key again is no rotation: same version, same previous key, no event."}, sameContent},
	{Case{"Rollback", "Going back to the key before makes that current again."}, rollback},
	{Case{"Delete", "A key that is taken away stays in use, Read says so with a typed error, and a new one is taken up."}, deleted},
	{Case{"Empty", "An empty backend is an error and never replaces a good key."}, empty},
	{Case{"Broken", "A backend that is down is an error, keys stay in use, and the ring recovers by itself."}, broken},
	{Case{"Denied", "A backend that refuses us is ErrDenied, keys stay in use, and the ring recovers."}, denied},
	{Case{"Torn", "Half of a key that is being written is never taken for one."}, torn},
	{Case{"Concurrent", "Readings from many goroutines during changes each see one whole key."}, concurrent},
	{Case{"OwnCopy", "Who changes a set that was read changes no other set."}, ownCopy},
	{Case{"Poll", "A change is taken up by polling alone, with no notice at all."}, polled},
	{Case{"Push", "A change is taken up by notice alone, each of several in a row."}, pushed},
	{Case{"Arm", "Notify calls changed once it is armed, and returns when its context ends."}, armed},
	{Case{"Cancel", "Read with a context that has ended returns, and says so if it fails."}, cancelled},
	{Case{"Hang", "While the backend does not answer, Read ends with its context, and Close at once."}, hung},
	{Case{"Close", "Close ends the ring, again and at once too, and nobody reads the source after it."}, closed},
	{Case{"Leaks", "After Close no goroutine and no descriptor stays, after a failed start neither."}, leaks},
	{Case{"Secrecy", "Neither the source's name nor any way of printing it shows a secret."}, secrecy},
}

func (b SourceBackend) close() {
	if b.Close != nil {
		b.Close()
		return
	}
	if c, ok := b.Source.(io.Closer); ok {
		_ = c.Close()
	}
}
