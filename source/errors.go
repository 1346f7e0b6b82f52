package source

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// The errors of this package, and of the sources, wrap one of these. Test for them with
// [errors.Is].
var (
	// ErrNoKey means that there is no key to use, or none yet.
	ErrNoKey = field.ErrNoKey
	// ErrInvalid means that the data, or the configuration, is not in the expected form.
	ErrInvalid = field.ErrInvalid
	// ErrUnusable means that the key is well-formed, but its scheme cannot use it.
	ErrUnusable = errors.New("unusable key")
	// ErrUnavailable means that the source could not be read. Trying again may help.
	ErrUnavailable = errors.New("source unavailable")
	// ErrDenied means that the store does not let this client read the keys.
	ErrDenied = errors.New("source denies access")
)

// Error says which source failed and why. It never contains a secret, or text from the
// data that was read.
type Error struct {
	// Source is the source's String, such as "file:///run/secrets/key".
	Source string
	// Err is the cause. It wraps one of the package's errors.
	Err error
	// RetryAfter is how long the server asked to wait before the next try. It is 0 if the
	// server asked for nothing. The ring waits 5 min at most.
	RetryAfter time.Duration
	// Permanent says that no later reading in this process will succeed: an environment
	// variable is not set, or the source was made with arguments that it cannot use. Keep
	// returns such an error at once if it has no key. A ring that has keys reads again all
	// the same.
	Permanent bool
}

// Error returns "source: NAME: cause".
func (e *Error) Error() string { return fmt.Sprintf("source: %s: %v", e.Source, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
