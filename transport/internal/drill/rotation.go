package drill

import (
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A Rotation is a server and the source of its keys, which rotate under load.
type Rotation struct {
	Store *Store
	Ring  *ring.Ring
	Key   func(n int) source.Key // the first, number 1, is in use
	// Accept makes the server accept these keys alone, newest first.
	Accept func(...source.Key)
	// Counts returns how many requests with key the server has served, and how many with
	// any key it has refused.
	Counts func(key source.Key) (served, refused int)
}

// enough is how many calls it takes until every kind is among them.
const enough = 20

// SourceFirst publishes the keys numbered from to to, one after the other, each before
// the server accepts it (F61).
func (r Rotation) SourceFirst(t testing.TB, l *Load, from, to int) {
	for n := from; n <= to; n++ {
		old, next := r.Key(n-1), r.Key(n)
		r.refused(t, func() { r.publish(t, next, old) })
		r.Accept(next, old)
		r.served(t, next)
		l.Settle()
		r.Accept(next)
		l.Settle()
		r.publish(t, next)
	}
}

// ServerFirst rotates the keys one after the other. For each, the server first drops
// the old key, and only then the source publishes the new one (F88).
func (r Rotation) ServerFirst(t testing.TB, l *Load, from, to int) {
	for n := from; n <= to; n++ {
		next := r.Key(n)
		r.refused(t, func() { r.Accept(next) })
		r.Store.Put(next)
		r.served(t, next)
		l.Settle()
	}
}

func (r Rotation) publish(t testing.TB, keys ...source.Key) {
	t.Helper()
	r.Store.Put(keys...)
	if err := r.Ring.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
}

// refused waits for a refusal after change.
func (r Rotation) refused(t testing.TB, change func()) {
	t.Helper()
	_, before := r.Counts(source.Key{})
	change()
	Until(t, "a refusal", func() bool { _, now := r.Counts(source.Key{}); return now > before })
}

// served waits until key is served.
func (r Rotation) served(t testing.TB, key source.Key) {
	t.Helper()
	Until(t, "the new key", func() bool { served, _ := r.Counts(key); return served > enough })
}

// Rotation returns the rotation of the keys v1, v2 and so on, of which the server accepts
// versions.
func (c *Checker) Rotation(store *Store, keys *ring.Ring) Rotation {
	return Rotation{
		Store: store, Ring: keys,
		Key: func(n int) source.Key { return Key(fmt.Sprint("v", n)) },
		Accept: func(keys ...source.Key) {
			var versions []string
			for _, key := range keys {
				versions = append(versions, key.Version)
			}
			c.Accept(versions...)
		},
		Counts: func(key source.Key) (served, refused int) {
			c.Set(func() { served, refused = c.Served[key.Version], c.Refused })
			return served, refused
		},
	}
}

// Alternate rotates the versions v1 to v5 under load, in turn with the source first and
// with the server first. The server refuses at most the attempts that are made in
// addition to the calls.
func Alternate(t testing.TB, c *Checker, store *Store, keys *ring.Ring, calls map[string]func(name string) error) {
	t.Helper()
	r := c.Rotation(store, keys)
	l := Start(t, calls)
	defer l.End()
	r.SourceFirst(t, l, 2, 2)
	r.ServerFirst(t, l, 3, 3)
	r.SourceFirst(t, l, 4, 4)
	r.ServerFirst(t, l, 5, 5)
	made := l.End()
	c.Set(func() {
		t.Logf("%d calls, %d attempts, %d refused", made, len(c.Seen), c.Refused)
		if extra := int64(len(c.Seen)) - made; extra != int64(c.Refused) {
			t.Errorf("%d attempts besides the calls, for %d refusals", extra, c.Refused)
		}
	})
	for _, v := range keys.Status().Versions {
		if v.InFlight != 0 {
			t.Errorf("%s: %d in flight", v.Version, v.InFlight)
		}
	}
}
