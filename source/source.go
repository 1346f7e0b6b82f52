package source

import "context"

// A Source is where keys come from. Implementations are safe for concurrent use.
//
// A source also says where it reads, for errors and logs, if it has a method
// String() string. That text must hold no secret: credentials in a URL are
// redacted (F103).
type Source interface {
	// Read returns the keys as they are now. It blocks no longer than ctx lives.
	// An error leaves the ring as it is; see [Error] for the conventions.
	// Read returns an error rather than a set without a usable key.
	Read(ctx context.Context) (Set, error)
}

// A Notifier is a source that can tell when reading again is worth while.
type Notifier interface {
	Source

	// Notify blocks until ctx ends and calls changed whenever the keys may have
	// changed; it calls it once as soon as it is armed, so that nothing slips
	// between an earlier reading and the arming (F14). It carries no data and
	// may be wrong in both directions: the ring reads and compares, and polls
	// underneath. changed does not block and may be called from any goroutine.
	//
	// On an error, or when Notify returns before ctx ends, the ring calls it
	// again after a back-off.
	Notify(ctx context.Context, changed func()) error
}

// Static returns a source that always has the one key, for tests and for keys
// that never change. Its version is "static" unless key names one.
func Static(key Key) Source {
	if key.Version == "" {
		key.Version = "static"
	}
	return static{key.Clone()}
}

type static struct{ key Key }

func (s static) Read(context.Context) (Set, error) {
	if s.key.Secret.IsZero() {
		return Set{}, &Error{Source: s.String(), Err: ErrNoKey}
	}
	return Set{Keys: []Key{s.key}, Complete: true}, nil
}

func (s static) String() string { return "static" }
