package store

import (
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Names gives a store's one key its name: the revision at which its content came.
// The same content keeps its name when it is written again (F16). The zero Names
// is empty. It is safe for concurrent use.
type Names struct {
	mu   sync.Mutex
	last source.Key // what the store held last, under its name
}

// Name names the key of set after revision, unless the decoder has named it, or
// there are several.
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
