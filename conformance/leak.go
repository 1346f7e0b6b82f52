package conformance

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// goroutines returns the stacks of all goroutines but the caller's. The keys are
// the headers "goroutine N"; the runtime does not reuse the numbers.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := make(map[string]string)
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i == 0 { // the caller's own
			continue
		}
		id, _, _ := strings.Cut(stack, " [")
		all[id] = stack
	}
	return all
}

// noLeaks runs f and fails the test if goroutines that f started do not end (F104).
// Goroutines of other tests that wait for their turn do not count.
func noLeaks(t testing.TB, f func()) {
	t.Helper()
	before := goroutines()
	f()
	var left []string
	ended := func() bool {
		left = nil
		for id, stack := range goroutines() {
			if _, old := before[id]; !old && !strings.Contains(stack, "testing.(*T).Run") && !strings.Contains(stack, "conformance.turn(") {
				left = append(left, stack)
			}
		}
		return len(left) == 0
	}
	defer func() {
		if len(left) > 0 {
			t.Logf("goroutines that have not ended:\n%s", strings.Join(left, "\n\n"))
		}
	}()
	eventually(t, "all goroutines that the case started have ended", ended)
}

// descriptors counts the open file descriptors of the process. ok is false on a
// system without /proc/self/fd.
func descriptors() (n int, ok bool) {
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries), err == nil
}
