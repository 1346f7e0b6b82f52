package source

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// What went wrong, for errors.Is. The errors of this package and of the
// packages below it wrap one of these.
var (
	// ErrNoKey: there is no key to use, or none yet.
	ErrNoKey = field.ErrNoKey
	// ErrInvalid: what was read is not a key in the expected form.
	ErrInvalid = field.ErrInvalid
	// ErrUnusable: the key is well-formed, but its scheme cannot use it.
	ErrUnusable = errors.New("unusable key")
	// ErrUnavailable: the source could not be read; trying again may help.
	ErrUnavailable = errors.New("source unavailable")
	// ErrDenied: the source refuses to show its keys to us.
	ErrDenied = errors.New("source denies access")
)

// Error says which source failed, and how. It never holds a secret, nor text
// out of the data that was read.
type Error struct {
	// Source is the source's own name for itself, e.g. "file:///run/secrets/key".
	Source string
	// Err is the cause; it wraps one of the package's errors.
	Err error
	// RetryAfter is the source's word on when to try again; zero where it has
	// none. The ring keeps it within bounds.
	RetryAfter time.Duration
}

// Error returns "source: NAME: cause".
func (e *Error) Error() string { return fmt.Sprintf("source: %s: %v", e.Source, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
