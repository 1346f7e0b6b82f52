package drill

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// A Load makes calls of every kind on six goroutines.
type Load struct {
	t     testing.TB
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	begun [6]atomic.Int64 // calls
}

// Start starts a Load, which End ends. Each call gets its own name, and none may fail.
func Start(t testing.TB, calls map[string]func(name string) error) *Load {
	l := &Load{t: t, stop: make(chan struct{})}
	for i := range l.begun {
		l.wg.Go(func() {
			for n := 0; ; n++ {
				for kind, call := range calls {
					select {
					case <-l.stop:
						return
					default:
					}
					l.begun[i].Add(1)
					if err := call(fmt.Sprint(kind, "-", i, "-", n)); err != nil {
						t.Errorf("%s: %v", kind, err)
					}
				}
			}
		})
	}
	return l
}

// Settle waits until every call that is under way now has ended.
func (l *Load) Settle() {
	l.t.Helper()
	for i := range l.begun {
		before := l.begun[i].Load()
		Until(l.t, "the calls", func() bool { return l.begun[i].Load() > before+1 })
	}
}

// End waits for the last calls and returns the number of calls. It may be called twice.
func (l *Load) End() (calls int64) {
	l.once.Do(func() { close(l.stop) })
	l.wg.Wait()
	for i := range l.begun {
		calls += l.begun[i].Load()
	}
	return calls
}
