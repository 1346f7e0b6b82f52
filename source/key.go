package source

import (
	"maps"
	"slices"
	"time"
)

// A Key is one version of one credential. What it needs depends on the scheme
// that uses it: a bearer token is a Secret alone, an exchange's key pair is an
// ID and a Secret, some add a passphrase in Extra.
type Key struct {
	// Version names this version of the credential. It is the source's own name
	// where it has one; where it is empty, the ring derives one from CreatedAt,
	// or from the time at which it first saw the content. It is no secret and
	// never made from one: it goes to logs, events and metrics.
	Version string `json:"version"`
	// ID is the public half of a pair: user name, access key id, API key of an exchange.
	ID string `json:"id,omitempty"`
	// Secret is the token, password or private key. A usable key has one.
	Secret Secret `json:"secret"`
	// Extra holds further secret fields by name, e.g. "passphrase".
	Extra map[string]Secret `json:"extra,omitempty"`

	// CreatedAt is when this version came to be; zero where nobody says.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// NotBefore is when it may first be used; zero means at once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// ExpiresAt is when it may last be used; zero means no end.
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	// Scopes and Metadata are what the source says about the key; the ring
	// carries them and reads nothing into them.
	Scopes   []string          `json:"scopes,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// SameContent reports whether k and o would be the same thing to a server: the
// same ID, Secret and Extra. Version names, times and metadata do not count.
func (k Key) SameContent(o Key) bool {
	return k.ID == o.ID && k.Secret.Equal(o.Secret) && maps.EqualFunc(k.Extra, o.Extra, Secret.Equal)
}

// Clone returns a copy that shares no map or slice with k.
func (k Key) Clone() Key {
	k.Extra = maps.Clone(k.Extra)
	k.Scopes = slices.Clone(k.Scopes)
	k.Metadata = maps.Clone(k.Metadata)
	return k
}

// A Set is what a source lists at one reading. It is one decision: a ring takes
// all of it or none.
type Set struct {
	// Keys are the keys, newest first: the first usable one is current.
	Keys []Key
	// Complete says that Keys lists every valid key, so that the ring keeps no
	// others: a version that is not listed is no longer used. Of a set that is
	// not complete, such as a plain file with one key, the ring keeps the keys
	// it replaces as previous ones for the overlap.
	Complete bool
	// Revoked names versions that must no longer be used, whether or not they
	// are still listed. A set with revoked versions may have no Keys.
	Revoked []string
	// AsOf is when this was what the source said, for sources that answer out
	// of a copy; zero means now.
	AsOf time.Time
	// FreshFor is the source's own word on when to read again, such as an
	// HTTP max-age; zero means that the ring decides.
	FreshFor time.Duration
	// Warnings are findings that keep nobody from using the keys: permissions
	// too open, notification not to be had. The ring reports each once.
	Warnings []error
}
