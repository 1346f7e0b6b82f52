package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Rows are the faults that each store must be tested with. A table may give the reason why
// its store cannot have one.
var Rows = []string{
	"server killed and restarted", "connection reset", "no answer", "slow answers",
	"permission revoked", "token expired", "secret deleted", "rollback", "empty version", "pending version",
}

// A Store is a source and its store, for one row of the table.
type Store struct {
	Source source.Source
	// Put makes [conformance.NewKey](n) the newest key in the store. It must work during a
	// fault, too.
	Put func(n int)
	// Faults are the faults by row.
	Faults map[string]Fault
}

// A Fault happens to a store that has the keys 1 and 2, of which 2 is in use.
type Fault struct {
	// Begin begins the fault, and Mend ends it. A nil function does nothing.
	Begin, Mend func()
	// Want is the error of a reading during the fault. The default is nil: the reading succeeds.
	Want error
	// Uses is the key in use during the fault. The default is 2. If it is 3, key 3 is put during
	// the fault and must arrive in spite of it.
	Uses int
	// Missed says that key 3 is put during the fault, and not after it.
	Missed bool
}

// A Table says how to test one store with the faults.
type Table struct {
	Open func(t *testing.T) Store
	// Absent has a reason for each of [Rows] that the store cannot have.
	Absent map[string]string
	// More are further rows for this store.
	More []string
	// Poll is the ring's poll interval. By default the ring does not poll: a new key comes by
	// notification alone, so the source must watch again after a lost connection.
	Poll time.Duration
	// Parallel says that the rows share nothing and may run in parallel.
	Parallel bool
}

// TestFaults runs a ring through every row while requests use its keys. The ring must keep
// the last good key, and no request may fail because of the source. When the fault is over,
// the ring must find the new key by itself within its longest back-off.
func TestFaults(t *testing.T, table Table) {
	for row := range table.Absent {
		if !slices.Contains(Rows, row) {
			t.Errorf("%q is not one of Rows", row)
		}
	}
	for _, row := range append(slices.Clone(Rows), table.More...) {
		t.Run(row, func(t *testing.T) {
			if reason := table.Absent[row]; reason != "" {
				t.Skip(reason)
			}
			if table.Parallel {
				t.Parallel()
			}
			s := table.Open(t)
			for has := range s.Faults {
				if !slices.Contains(Rows, has) && !slices.Contains(table.More, has) {
					t.Errorf("%q is neither in Rows nor in More, so it is not run", has)
				}
			}
			f, ok := s.Faults[row]
			if !ok {
				t.Fatal("there is neither a fault nor a reason")
			}
			suffer(t, s, f, table.Poll)
		})
	}
}

func suffer(t *testing.T, s Store, f Fault, poll time.Duration) {
	s.Put(1)
	var opts []ring.Option
	if poll > 0 {
		opts = append(opts, ring.WithPoll(poll))
	}
	keys, said := Keep(t, s.Source, opts...)
	Requests(t, keys)
	s.Put(2) // by now the watch has begun, or is about to
	Uses(t, keys, 2)

	if f.Begin != nil {
		f.Begin()
	}
	if f.Missed || f.Uses == 3 {
		s.Put(3)
	}
	switch {
	case f.Uses == 3:
		Uses(t, keys, 3)
	case f.Want == nil:
		Eventually(t, "a reading without an error", func() bool { return keys.Refresh(t.Context()) == nil })
	default:
		var err error
		Eventually(t, fmt.Sprintf("a reading that says %q", f.Want), func() bool {
			err = keys.Refresh(t.Context())
			return errors.Is(err, f.Want)
		})
		if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.Source != fmt.Sprint(s.Source) {
			t.Errorf("%v does not name the source", err)
		}
		if strings.Contains(err.Error(), conformance.Sentinel) { // F95
			t.Error("the error quotes the store")
		}
	}
	meanwhile := f.Uses
	if meanwhile == 0 {
		meanwhile = 2
	}
	if key, err := keys.InUse(); err != nil || !key.SameContent(conformance.NewKey(meanwhile)) {
		t.Errorf("version %q is in use, want key %d: %v", keys.Version(), meanwhile, err)
	}

	if f.Mend != nil {
		f.Mend()
	}
	if !f.Missed && f.Uses != 3 {
		s.Put(3)
	}
	Uses(t, keys, 3)
	s.Put(4) // the watch must still work
	Uses(t, keys, 4)
	if strings.Contains(said(), conformance.Sentinel) { // F95
		t.Error("an event holds a secret")
	}
}
