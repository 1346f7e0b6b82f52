package source

import "context"

// A Source is where keys come from. Its methods must be safe for concurrent use.
//
// If a source has a method String() string, errors and logs use it as the source's name.
// It must not contain a secret: redact the credentials in a URL, for example with [Redact].
type Source interface {
	// Read returns the keys as they are now. It must return soon after ctx ends: the ring
	// gives it up 5 s later, reports that as an error, and reads again, unless three calls
	// that it gave up still hang. If there
	// is no usable key, it returns an error, not an empty set. After an error the ring
	// keeps the keys that it has. See [Error] for what an error must contain.
	Read(ctx context.Context) (Set, error)
}

// A Notifier is a source that can tell the ring when to read again.
type Notifier interface {
	Source

	// Notify blocks until ctx ends, and calls changed whenever the keys may have changed.
	// It also calls changed once when its watch has begun, because the keys may have
	// changed between the last reading and that moment (F14). A call that is missing, or
	// that comes without a change, does no harm: the ring compares what it reads, and
	// polls as well. changed does not block and may be called from any goroutine.
	//
	// The ring calls Notify before its first reading has succeeded: the keys, or the place
	// where they will be, may not exist yet (F135).
	//
	// If Notify returns before ctx ends, with an error or without, the ring calls it again
	// after a back-off.
	Notify(ctx context.Context, changed func()) error
}

// An Identifier is a source that other sources may have the same name as, such as one with a
// secret in its URL. The ring's cache then tells sources apart by their identities: see
// ring.WithCache. A source that is no Identifier is known by its name alone.
type Identifier interface {
	Source

	// Identity returns a text that no source of other keys has. It is the same after a restart
	// of the program, and may be a secret: the cache saves a salted digest. It does not block,
	// and is safe for concurrent use.
	Identity() Secret
}

// Static returns a source that always lists key, for tests and for keys that never change.
// If key has no Version, its version is "static". If key has no Secret, Read returns
// [ErrNoKey].
func Static(key Key) Source {
	if key.Version == "" {
		key.Version = "static"
	}
	return static{key.Clone()}
}

type static struct{ key Key }

func (s static) Read(context.Context) (Set, error) {
	if s.key.Secret.IsZero() {
		return Set{}, &Error{Source: s.String(), Err: ErrNoKey, Permanent: true}
	}
	return Set{Keys: []Key{s.key}, Complete: true}, nil
}

func (s static) String() string { return "static" }
