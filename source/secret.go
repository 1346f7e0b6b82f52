package source

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a string that stays out of sight. It prints, marshals and logs
// as [redacted], whatever the verb and however deep in another value it lies;
// [Secret.Expose] is the only way out. The zero Secret is empty.
//
// A Secret cannot be compared with == (the compiler refuses it): use
// [Secret.Equal]. It is safe for concurrent use. Nothing is promised about
// erasing it from memory.
type Secret struct {
	// A closure rather than a string or a pointer: fmt, and printers that walk
	// values by reflection, reach through unexported fields (F93), but not into
	// a function.
	expose func() string
}

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{expose: func() string { return s }}
}

// Expose returns the text itself. Hand it to the wire and to nothing else.
func (s Secret) Expose() string {
	if s.expose == nil {
		return ""
	}
	return s.expose()
}

// IsZero reports whether s is empty.
func (s Secret) IsZero() bool { return s.expose == nil }

// Equal reports whether s and t hold the same text, in a time that depends on
// their length only (F100).
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Expose()), []byte(t.Expose())) == 1
}

// String returns [redacted], or nothing for the empty Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString returns what String does, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes what String returns, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns what String does, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String does, for JSON, XML, YAML and flags. There
// is no way back: a Secret cannot be unmarshalled, and no [Decoder] here takes
// [redacted] for one, so it never becomes a key.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalBinary refuses: binary encodings are for programs, which would take
// [redacted] for the secret (F94).
func (s Secret) MarshalBinary() ([]byte, error) {
	return nil, errors.New("source: a Secret is not marshalled")
}

// GobEncode refuses, as MarshalBinary does.
func (s Secret) GobEncode() ([]byte, error) { return s.MarshalBinary() }
