package source

import (
	"maps"
	"slices"
	"time"
)

// A Key is one version of one credential. The scheme that uses the key decides which
// fields it needs: a bearer token is a Secret, the key pair of an exchange is an ID and a
// Secret, and some exchanges need a passphrase in Extra as well.
type Key struct {
	// Version names this version of the credential. If the source has no name for it, the
	// field is empty, and the ring makes a name from CreatedAt, or from the time at which
	// it first saw the content. A name appears in logs, events and metrics. It must not be
	// secret, or derived from a secret. If it cannot be printed, or has more than 128 bytes,
	// the ring uses a name made from it, and emits a Warning.
	Version string `json:"version"`
	// ID is the public half of a pair: user name, access key id, API key of an exchange.
	ID string `json:"id,omitempty"`
	// Secret is the token, password or private key. A usable key has one.
	Secret Secret `json:"secret"`
	// Extra has further secret fields by name, such as "passphrase".
	Extra map[string]Secret `json:"extra,omitempty"`

	// The times may be in any zone. A ring has them in UTC.

	// CreatedAt is when this version was created. It is zero if that is not known.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// NotBefore is the time from which the key may be used. Zero means from now on.
	NotBefore time.Time `json:"not_before,omitzero"`
	// ExpiresAt is the time at which the key may no longer be used. Zero means never, and so
	// does a time after the year 9999.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// ReplacedAt is when the store got a newer key, if the source lists this one only because
	// the store has a history. The ring then uses it as a key that it remembers itself: see
	// ring.WithOverlap. Zero means that the key may be used until ExpiresAt.
	ReplacedAt time.Time `json:"replaced_at,omitzero"`

	// Scopes and Metadata are what the source says about the key. The ring passes them on
	// and does not interpret them.
	Scopes   []string          `json:"scopes,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// SameContent reports whether k and o are the same to a server: whether they have the same
// ID, Secret and Extra. Version names, times and metadata do not count.
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

// A Set is what a source lists at one reading. A ring admits it as a whole or not at all.
type Set struct {
	// Keys are the keys, newest first. The first usable key becomes current. A ring refuses a
	// set with more than 256 keys.
	Keys []Key
	// Complete says that Keys lists every valid key. A version that is not listed is then
	// no longer used. If a set is not complete, such as that of a file with one key, the
	// ring remembers the keys that it replaces as previous ones for the overlap.
	Complete bool
	// Revoked names versions that must no longer be used, even if Keys lists them. A set
	// with revoked versions may have no Keys.
	Revoked []string
	// AsOf is when the store listed these keys, for sources that answer from a copy. Zero
	// means now.
	AsOf time.Time
	// FreshFor is how long the source suggests to wait until the next reading, such as the
	// max-age of an HTTP response. 0 means that the ring decides.
	FreshFor time.Duration
	// Renews says that the source replaces each key itself before it expires, as an OAuth
	// token endpoint does. The ring then reports a key that expires only if that fails.
	Renews bool
	// Warnings are problems in spite of which the keys can be used, such as a file that
	// other users can write. The ring reports each once, and 32 of one reading at most.
	Warnings []error
}
