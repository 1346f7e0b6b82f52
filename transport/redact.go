package transport

import (
	"errors"
	"net/url"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// redact keeps the secret out of an error of the base's, should it quote what
// was sent, as url.Error does (F57).
func redact(err error, key source.Key) error {
	text := err.Error()
	clean := scrub(text, key)
	if clean == text {
		return err
	}
	return &redactedError{clean, func() error { return err }}
}

// redactedError can be asked what it is, not unwrapped.
type redactedError struct {
	text string
	err  func() error // F93: %#v does not reach into a function
}

func (e *redactedError) Error() string { return e.text }

func (e *redactedError) Is(target error) bool { return errors.Is(e.err(), target) }

func (e *redactedError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.err(), &t) && t.Timeout()
}

// scrub replaces the key's secrets in text.
func scrub(text string, key source.Key) string {
	for _, s := range append([]source.Secret{key.Secret}, extras(key)...) {
		if secret := s.Expose(); secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "[redacted]")
		}
	}
	return text
}

func extras(key source.Key) []source.Secret {
	var list []source.Secret
	for _, s := range key.Extra {
		list = append(list, s)
	}
	return list
}
