package transport

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// redact removes the secret from an error of the base that quotes the request, as a
// url.Error does (F57).
func redact(err error, key source.Key, values []string) error {
	text := err.Error()
	clean := scrub(text, key, values)
	if clean == text {
		return err
	}
	return &redactedError{clean, func() error { return err }}
}

// redactedError supports errors.Is and Timeout, but not Unwrap, which would return the
// secret.
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
func scrub(text string, key source.Key, values []string) string {
	values = append(values[:len(values):len(values)], key.Secret.Expose())
	for _, s := range key.Extra {
		values = append(values, s.Expose())
	}
	for _, v := range values {
		if v == "" {
			continue
		}
		quoted := strconv.Quote(v)
		for _, form := range []string{v, quoted[1 : len(quoted)-1], url.QueryEscape(v), url.PathEscape(v)} {
			text = strings.ReplaceAll(text, form, "[redacted]")
		}
	}
	return text
}

// cleanLocation removes the key from a Location header that repeats the query.
// Otherwise the client would follow it, show it, and send it on as Referer (F57).
func (t *Transport) cleanLocation(resp *http.Response, key source.Key) {
	location := resp.Header.Get("Location")
	if location == "" {
		return
	}
	u, err := url.Parse(location)
	if err == nil && u.RawQuery != "" {
		query := u.Query()
		for _, p := range t.places.params {
			query.Del(p)
		}
		if clean := query.Encode(); len(query) < len(u.Query()) {
			u.RawQuery = clean
			location = u.String()
		}
	}
	resp.Header.Set("Location", scrub(location, key, nil))
}
