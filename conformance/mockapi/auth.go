package mockapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// An Authenticator reads the credentials of a request. Implementations are safe
// for concurrent use.
//
// It names the version of which the request carries the credentials, whether
// or not that version is accepted: expiry, revocation and replicas are the
// server's affair. It names none where there are no credentials, or none that fit:
// the server then refuses. A refusal of its own, for a bad signature, a stale
// timestamp or a reused nonce, goes before the server's; it may name the version with it.
//
// A signing scheme finds the key by its id, and verifies. body reads the
// request's body whole, 16 MiB at most; the handler still gets it all. Not
// calling it leaves a refused request's body unread.
type Authenticator interface {
	Authenticate(r *http.Request, body func() ([]byte, error), keys Keys) (version string, refusal *Refusal)
	// Credentials names the headers and query parameters that the log redacts.
	Credentials() (headers, params []string)
}

// A Refuser is an Authenticator that also shapes the server's refusals, as an
// exchange does that has its own codes for an unknown and an expired key. nil
// leaves it to the server.
type Refuser interface {
	Refuse(r *http.Request, reason Reason) *Refusal
}

// Bearer takes the secret as Authorization: Bearer (RFC 6750, section 2.1).
func Bearer() Authenticator {
	return presented{headers: []string{"Authorization"}, secret: func(r *http.Request) string {
		scheme, token, _ := strings.Cut(only(r.Header.Values("Authorization")), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return ""
		}
		return token
	}}
}

// Header takes the secret as the value of the named header, such as X-Api-Key.
func Header(name string) Authenticator {
	return presented{headers: []string{name}, secret: func(r *http.Request) string {
		return only(r.Header.Values(name))
	}}
}

// Headers takes a key whose parts come in headers of their own. fields maps each
// header's name to the field of the key: "id", "secret", or the name of an entry of
// Extra, as transport.Headers has them; one of them is "id" or "secret". Parts of
// different versions are no key (F26). fields is copied.
func Headers(fields map[string]string) Authenticator { return inHeaders(maps.Clone(fields)) }

type inHeaders map[string]string

func (h inHeaders) Authenticate(r *http.Request, _ func() ([]byte, error), keys Keys) (string, *Refusal) {
	var found []source.Key
	for name, field := range h {
		switch value := only(r.Header.Values(name)); field {
		case "secret":
			found = append(found, keys.BySecret(value)...)
		case "id":
			found = append(found, keys.ByID(value)...)
		}
	}
	for _, key := range found {
		if h.fit(r, key) {
			return key.Version, nil
		}
	}
	return "", nil
}

// fit reports whether each header of r has its part of key.
func (h inHeaders) fit(r *http.Request, key source.Key) bool {
	for name, field := range h {
		want := key.Extra[field]
		switch field {
		case "id":
			want = source.NewSecret(key.ID)
		case "secret":
			want = key.Secret
		}
		if got := only(r.Header.Values(name)); got == "" || !want.Equal(source.NewSecret(got)) {
			return false
		}
	}
	return true
}

func (h inHeaders) Credentials() (headers, params []string) {
	return slices.Collect(maps.Keys(h)), nil
}

// Query takes the secret as the value of the named query parameter.
func Query(name string) Authenticator {
	return presented{params: []string{name}, secret: func(r *http.Request) string {
		return only(r.URL.Query()[name])
	}}
}

// only returns the one value. F48: a credential that stands twice is a client's fault, not a choice.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

type presented struct {
	headers, params []string
	secret          func(*http.Request) string
}

func (p presented) Authenticate(r *http.Request, _ func() ([]byte, error), keys Keys) (string, *Refusal) {
	found := keys.BySecret(p.secret(r))
	if len(found) == 0 {
		return "", nil
	}
	return found[0].Version, nil
}

func (p presented) Credentials() (headers, params []string) { return p.headers, p.params }

// Basic takes the id as user name and the secret as password (RFC 7617). An id
// with the secret of another version is no key (F26).
func Basic() Authenticator { return basic{} }

type basic struct{}

func (basic) Authenticate(r *http.Request, _ func() ([]byte, error), keys Keys) (string, *Refusal) {
	id, secret, _ := r.BasicAuth()
	if only(r.Header.Values("Authorization")) == "" {
		return "", nil
	}
	for _, key := range keys.BySecret(secret) {
		if key.ID == id {
			return key.Version, nil
		}
	}
	return "", nil
}

func (basic) Credentials() (headers, params []string) { return []string{"Authorization"}, nil }
