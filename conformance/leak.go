package conformance

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// goroutines returns the stacks of all goroutines but this one, by their header
// "goroutine N", which is never given twice.
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

// noLeaks runs f and fails the test if goroutines that began meanwhile stay (F104).
func noLeaks(t testing.TB, f func()) {
	t.Helper()
	before := goroutines()
	f()
	var left []string
	ended := func() bool {
		left = nil
		for id, stack := range goroutines() {
			if _, old := before[id]; !old && !strings.Contains(stack, "testing.(*T).Run") {
				left = append(left, stack)
			}
		}
		return len(left) == 0
	}
	defer func() {
		if len(left) > 0 {
			t.Logf("goroutines that stayed:\n%s", strings.Join(left, "\n\n"))
		}
	}()
	eventually(t, "the end of every goroutine that was begun", ended)
}

// descriptors counts open file descriptors; ok is false where nobody can say.
func descriptors() (n int, ok bool) {
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries), err == nil
}
