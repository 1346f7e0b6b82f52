package source

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a string that is not printed. It prints, marshals and logs as [redacted],
// with every verb and inside of every other value. Only [Secret.Expose] returns the text.
// The zero Secret is empty.
//
// Compare secrets with [Secret.Equal]: the compiler refuses ==. A Secret is safe for
// concurrent use. It is not erased from memory.
type Secret struct {
	// The text is in a closure. In a string or behind a pointer, fmt and other printers
	// that use reflection would find it, since they read unexported fields (F93).
	expose func() string
}

// NewSecret returns a Secret whose text is s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{expose: func() string { return s }}
}

// Expose returns the text. Write it to requests, and never to logs or errors.
func (s Secret) Expose() string {
	if s.expose == nil {
		return ""
	}
	return s.expose()
}

// IsZero reports whether s is empty.
func (s Secret) IsZero() bool { return s.expose == nil }

// Equal reports whether s and t have the same text. The time that it takes depends only on
// their lengths.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Expose()), []byte(t.Expose())) == 1
}

// String returns "[redacted]", or "" if s is empty.
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

// MarshalText returns what String does, for JSON, XML, YAML and flags. A Secret cannot be
// unmarshalled, and the decoders of this package refuse [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalBinary always fails: a program that reads a binary encoding would use [redacted]
// as the secret.
func (s Secret) MarshalBinary() ([]byte, error) {
	return nil, errors.New("source: a Secret cannot be encoded: use Expose")
}

// GobEncode always fails, as MarshalBinary does.
func (s Secret) GobEncode() ([]byte, error) { return s.MarshalBinary() }
