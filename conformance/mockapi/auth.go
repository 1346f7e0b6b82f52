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
// Authenticate returns the version whose credentials the request carries. It does
// not check whether the version is accepted: expiry, revocation and replicas are
// up to the server. If the request has no credentials, or credentials of no
// issued key, version is empty, and the server refuses the request. If the
// request is refused for another reason, such as a bad signature, an old
// timestamp or a reused nonce, Authenticate returns that refusal, with the
// version if it is known; the server sends it.
//
// For a signed request, Authenticate finds the key by its ID and verifies the
// signature. body returns the whole body, at most 16 MiB; a longer body is an
// error. The handler can read the body again. If Authenticate does not call body,
// the body of a refused request stays unread.
type Authenticator interface {
	Authenticate(r *http.Request, body func() ([]byte, error), keys Keys) (version string, refusal *Refusal)
	// Credentials returns the names of the headers and query parameters that the
	// log redacts.
	Credentials() (headers, params []string)
}

// A Refuser is an Authenticator with refusals of its own for each [Reason], such
// as an exchange with different codes for unknown and expired keys. If Refuse
// returns nil, the server sends the refusal of [WithRefusal] or [API.SetRefusal].
type Refuser interface {
	Refuse(r *http.Request, reason Reason) *Refusal
}

// Bearer accepts the secret as Authorization: Bearer (RFC 6750 section 2.1).
func Bearer() Authenticator {
	return presented{headers: []string{"Authorization"}, secret: func(r *http.Request) string {
		scheme, token, _ := strings.Cut(only(r.Header.Values("Authorization")), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return ""
		}
		return token
	}}
}

// Header accepts the secret as the value of the named header, such as X-Api-Key.
func Header(name string) Authenticator {
	return presented{headers: []string{name}, secret: func(r *http.Request) string {
		return only(r.Header.Values(name))
	}}
}

// Headers accepts a key whose fields come in several headers. fields maps the
// name of each header to a field of the key: "id", "secret", or the name of an
// entry of Extra, as in transport.Headers. At least one field must be "id" or
// "secret". A request with fields of different versions is refused. Headers
// copies fields.
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

// fit reports whether each header of r has its field of key.
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

// Query accepts the secret as the value of the named query parameter.
func Query(name string) Authenticator {
	return presented{params: []string{name}, secret: func(r *http.Request) string {
		return only(r.URL.Query()[name])
	}}
}

// only returns the single value, or "" if there is none or several. F48: a request
// with two credentials is a fault of the client, so it is refused.
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

// Basic accepts the ID as user name and the secret as password (RFC 7617). An ID
// with the secret of another version is refused.
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
