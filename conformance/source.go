package conformance

import (
	"io"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A SourceHarness gives [TestSource] the source under test and its backend.
type SourceHarness struct {
	// New makes a backend without a key, and a source that reads it. It is called
	// for each case. Both must work until the test t ends; clean up with
	// t.Cleanup.
	New func(t testing.TB) SourceBackend
	// Key makes the n-th key; its secret must begin with [Sentinel]. Default:
	// [NewKey], whose keys have a secret only. If the source reads pairs, set an
	// ID too, so that the suite notices an ID and secret of different keys.
	Key func(n int) source.Key
	// Lists says that the source lists all valid keys and sets Set.Complete.
	// Default: false, the source has one key at a time. In both cases the first
	// set after a deletion may be complete.
	Lists bool
	// Limit is how long a case waits for a condition before it fails. Default:
	// 10 s. A shorter limit saves time where cases are known to fail.
	Limit time.Duration
	// Skip maps the names of cases that do not apply to the reasons.
	Skip map[string]string
}

// A SourceBackend is a source and functions that change what it reads. Source,
// Put and Delete are required. If another function is nil, the cases that need
// it must be in Skip. Each function takes effect before it returns, and fails
// the test if it cannot.
type SourceBackend struct {
	Source source.Source
	// Put replaces the content of the backend with keys, newest first, the way a
	// production system does. Without Lists, Put gets at most one key. Without
	// keys, Put leaves the backend reachable but empty: an empty file, an empty
	// list. Put also undoes Break, Deny, Hang and Tear.
	Put func(keys ...source.Key)
	// Delete removes the entry itself: the file, the path.
	Delete func()
	// Break makes the backend unreadable, for example by stopping the server or
	// by replacing the file with a directory. Repair undoes Break and Hang and
	// brings back the keys of the last Put.
	Break, Repair func()
	// Hang makes the backend accept requests without answering, until Repair.
	Hang func()
	// Deny makes the backend refuse the source's access. Restore undoes it.
	Deny, Restore func()
	// Tear leaves the backend as it is while a writer is halfway through writing
	// next.
	Tear func(next source.Key)
	// Close frees what the source keeps between readings, such as idle
	// connections. Default: the Close method of Source, if it has one. If the
	// connection pool of the source's client cannot be emptied, limit it to one
	// connection: a connection that Read or Notify leaves behind would make the
	// pool grow, and the case Leaks would fail.
	Close func()
}

type sourceCase struct {
	Case
	run func(*sourceTrial)
	// alone says that no other case may run at the same time: the case counts goroutines.
	alone bool
}

// SourceCases lists the cases of [TestSource], in order.
func SourceCases() []Case {
	var list []Case
	for _, c := range sourceCases {
		list = append(list, c.Case)
	}
	return list
}

// TestSource tests that a source keeps the contract of [source.Source]; see
// [SourceCases]. The cases read the source directly, and through a ring from
// [ring.Keep].
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

// SourceResults runs the cases of [TestSource] and returns their results. A
// failed case does not fail t.
func SourceResults(t testing.TB, h SourceHarness) []Result {
	var results []Result
	for _, c := range sourceCases {
		results = append(results, judge(t, c.Case, func(t testing.TB) { c.try(t, h) }))
	}
	return results
}

func (c sourceCase) try(t testing.TB, h SourceHarness) {
	if reason := h.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	turn(t, c.alone)
	s := newSourceTrial(t, h)
	t.Cleanup(s.search) // runs after the case's rings are closed
	c.run(s)
}

func sources(name, doc string, run func(*sourceTrial)) sourceCase {
	return sourceCase{Case: Case{name, doc}, run: run}
}

var sourceCases = []sourceCase{
	sources("FirstValue", "A key in the backend is read whole, by Read and by a ring.", firstValue),
	sources("NoValueYet", "Without a key, Read returns a typed error, and Keep waits for the first key unless the error is permanent.", noValueYet),
	sources("Update", "A new key becomes current, and the previous key stays usable for the overlap.", update),
	sources("SameContent", "Writing the same key again is no rotation: same version, same previous key, no event.", sameContent),
	sources("Rollback", "When the source returns to the previous key, that key becomes current again.", rollback),
	sources("Delete", "A deleted key stays in use, Read returns a typed error, and a new key is picked up.", deleted),
	sources("Empty", "An empty backend is an error and never replaces a good key.", empty),
	sources("Broken", "An unreachable backend is an error, the keys stay in use, and the ring recovers by itself.", broken),
	sources("Denied", "A backend that denies access causes ErrDenied, the keys stay in use, and the ring recovers.", denied),
	sources("Torn", "A half-written key is never read as a key.", torn),
	sources("Concurrent", "Concurrent readings during changes each return one whole key.", concurrent),
	sources("OwnCopy", "Changing a set that Read returned changes no other set.", ownCopy),
	sources("Poll", "Polling alone, without Notify, picks up a change.", polled),
	sources("Push", "Notify alone, without polling, picks up each of several changes.", pushed),
	sources("Arm", "Notify calls changed once its watch is set up, and returns when its context ends.", armed),
	sources("Cancel", "Read with a context that has ended returns; if it fails, the error wraps the context's.", cancelled),
	sources("Hang", "While the backend does not answer, Read ends with its context, and Close returns at once.", hung),
	sources("Close", "Close may be called repeatedly and concurrently, and the ring does not read the source after it.", closed),
	sources("Secrecy", "Neither the source's name nor any fmt verb shows a secret.", secrecy),
	{Case: Case{"Leaks", "No goroutine and no descriptor remains after Close, nor after a failed Keep."}, run: leaks, alone: true},
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
