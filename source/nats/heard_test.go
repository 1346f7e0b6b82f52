package nats

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
)

// An entry is an entry of a bucket.
type entry struct {
	jetstream.KeyValueEntry
	revision uint64
	value    string // a marker has none
	created  time.Time
}

func (e entry) Revision() uint64   { return e.revision }
func (e entry) Value() []byte      { return []byte(e.value) }
func (e entry) Created() time.Time { return e.created }
func (e entry) Operation() jetstream.KeyValueOp {
	if e.value == "" {
		return jetstream.KeyValuePurge
	}
	return jetstream.KeyValuePut
}

// A replica simulates a server's replica of a bucket with a history of 1. Real servers in one
// process are never behind each other.
type replica struct {
	jetstream.KeyValue
	entry
}

func (r *replica) Get(context.Context, string) (jetstream.KeyValueEntry, error) { return r.entry, nil }

func (r *replica) Watch(context.Context, string, ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	updates := make(chan jetstream.KeyValueEntry, 2)
	updates <- r.entry
	updates <- nil
	return watcher{updates: updates}, nil
}

type watcher struct {
	jetstream.KeyWatcher
	updates chan jetstream.KeyValueEntry
}

func (w watcher) Updates() <-chan jetstream.KeyValueEntry { return w.updates }
func (watcher) Stop() error                               { return nil }

// F70: the source does not forget what a watch has seen, however long a replica is behind. It
// forgets it when the bucket is deleted and created again.
func TestReplicaBehind(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(revision uint64, value string, second int) entry {
		return entry{revision: revision, value: value, created: began.Add(time.Duration(second) * time.Second)}
	}
	for _, tc := range []struct {
		name  string
		then  entry // the entry of the last reading
		tells []entry
	}{
		{"it catches up", at(4, "three", 4), nil},
		{"the watch tells again", at(4, "three", 4), []entry{at(3, "", 3), at(4, "three", 4)}},
		{"the bucket is made anew", at(1, "four", 5), nil},
		{"and the watch tells of it", at(1, "four", 5), []entry{at(1, "four", 5)}},
		{"and of a marker", at(2, "four", 6), []entry{at(1, "", 5), at(2, "four", 6)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(nil, "KEYS", "k")
				bucket := &replica{entry: at(2, "two", 2)}
				read := func() (source.Set, error) { return s.readFrom(t.Context(), bucket) }
				if set, err := read(); err != nil || set.Complete {
					t.Fatalf("at first: complete %v, %v", set.Complete, err)
				}
				s.hear(at(3, "", 3))
				s.hear(at(4, "three", 4))
				s.hear(at(2, "two", 2)) // from a new watch of the replica that is behind
				for range 2 {
					if set, err := read(); !errors.Is(err, source.ErrUnavailable) {
						t.Errorf("while it is behind: %d keys, %v", len(set.Keys), err)
					}
				}
				for _, e := range tc.tells {
					s.hear(e)
				}
				bucket.entry = tc.then
				for range 2 {
					set, err := read()
					if err != nil || len(set.Keys) != 1 || set.Keys[0].Secret.Expose() != tc.then.value || !set.Complete {
						t.Errorf("then: %d keys, complete %v, %v; want what was purged revoked", len(set.Keys), set.Complete, err)
					}
				}
				if s.heard > tc.then.revision {
					t.Errorf("revision %d of the former bucket is waited for", s.heard)
				}
				bucket.entry = at(tc.then.revision+1, "five", 9) // there was no marker, so the previous key has its overlap
				if set, err := read(); err != nil || set.Complete {
					t.Errorf("the next rotation: complete %v, %v", set.Complete, err)
				}
			})
		})
	}
}
