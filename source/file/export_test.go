package file

import (
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

// SetRearm sets how often watches are set anew without an event.
func SetRearm(d time.Duration) { rearm = d }

// SetWatcher sets what makes the process's watcher, and returns what did before.
func SetWatcher(f func() (*fsnotify.Watcher, error)) func() (*fsnotify.Watcher, error) {
	before := newWatcher
	newWatcher = f
	return before
}

// SetPatience sets how long s waits for a writer, or for the other half of a pair.
func (s *Source) SetPatience(d time.Duration) { s.patience = d }

// OnRead calls f after each file that s reads.
func (s *Source) OnRead(f func(name string)) { s.opened = f }

// WithoutLeases makes reading as on a system that has none, until the returned
// function is called.
func WithoutLeases() (restore func()) {
	leased = func(_ *os.File, read func() error) (writers, error) { return writersUnknown, read() }
	return func() { leased = readWhole }
}
