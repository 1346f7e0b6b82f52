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

// Rows are the faults that every store has, or says why it cannot have.
var Rows = []string{
	"server killed and restarted", "connection reset", "no answer", "slow answers",
	"permission revoked", "token expired", "secret deleted", "rollback", "empty version", "pending version",
}

// A Store is a source and what is behind it, for one row of the table.
type Store struct {
	Source source.Source
	// Put makes [conformance.NewKey](n) the newest key in the store, whatever is
	// between it and the source.
	Put func(n int)
	// Faults are by row.
	Faults map[string]Fault
}

// A Fault is what happens to a store that has keys 1 and 2, of which 2 is in use.
type Fault struct {
	// Begin makes the fault, Mend ends it; nil is nothing.
	Begin, Mend func()
	// Want is what a reading says meanwhile; nil: nothing is wrong with it.
	Want error
	// Uses is the key in use meanwhile. Default 2; 3 is put during the fault, and
	// arrives in spite of it.
	Uses int
	// Missed: key 3 is put during the fault, and not after it.
	Missed bool
}

// A Table is one store's way through the faults.
type Table struct {
	Open func(t *testing.T) Store
	// Absent has the reason for each of [Rows] that the store cannot have.
	Absent map[string]string
	// More are the rows that this store has besides.
	More []string
	// Poll is the ring's. Default none: a new key comes by notice alone, which
	// after a lost connection means that the source was armed again and said so.
	Poll time.Duration
	// Parallel: the rows have nothing in common.
	Parallel bool
}

// TestFaults runs a ring through every row, with requests all the while. The last
// good key stays in use, no request fails for want of a source, and the ring finds
// the new key by itself when the fault is over, within the cap of its back-off.
func TestFaults(t *testing.T, table Table) {
	for row := range table.Absent {
		if !slices.Contains(Rows, row) {
			t.Errorf("%q is no row", row)
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
					t.Errorf("%q is not run", has)
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
	s.Put(2) // by now the watch is armed, or about to be
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
	s.Put(4) // and the watch lives on
	Uses(t, keys, 4)
	if strings.Contains(said(), conformance.Sentinel) { // F95
		t.Error("an event holds a secret")
	}
}
