package store

import (
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Names gives the version of a store's only key a name: the revision at which its content was
// first seen. If the same content is written again, it keeps its name (F16). The zero Names is
// ready for use. It is safe for concurrent use.
type Names struct {
	mu   sync.Mutex
	last source.Key // the last key, with its name
}

// Name names the key of set after revision. It does nothing if the decoder has named the key, or
// if set has several keys.
func (n *Names) Name(set source.Set, revision string) {
	if len(set.Keys) != 1 || set.Keys[0].Version != "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last.Version == "" || !n.last.SameContent(set.Keys[0]) {
		n.last = set.Keys[0].Clone()
		n.last.Version = revision
	}
	set.Keys[0].Version = n.last.Version
}
