package file

import (
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

// SetRearm sets how often the watches are set again without an event.
func SetRearm(d time.Duration) { rearm = d }

// SetWatcher sets the function that makes the process's watcher, and returns the one before.
func SetWatcher(f func() (*fsnotify.Watcher, error)) func() (*fsnotify.Watcher, error) {
	before := newWatcher
	newWatcher = f
	return before
}

// SetPatience sets how long s waits for a writer, or for the second field of a pair.
func (s *Source) SetPatience(d time.Duration) { s.patience = d }

// OnRead calls f after each file that s reads.
func (s *Source) OnRead(f func(name string)) { s.opened = f }

// WithoutLeases makes the package read as on a system without leases, until restore is
// called.
func WithoutLeases() (restore func()) {
	leased = func(_ *os.File, read func() error) (writers, error) { return writersUnknown, read() }
	return func() { leased = readWhole }
}

// FromURL and InURL convert paths as on Windows or elsewhere.
func FromURL(path string, windows bool) string { return fromURL(path, windows) }
func InURL(path string, windows bool) string   { return inURL(path, windows) }
