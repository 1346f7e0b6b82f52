package source_test

import (
	"context"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// A scheme sees every key under the name that the ring reports it by, whether it
// was made before the key came or after.
//
// F74, F91
func TestSchemesSeeTheNameThatIsReported(t *testing.T) {
	keys := make(chan source.Key, 1)
	keys <- source.Key{Secret: source.NewSecret("sentinel-first")}
	ring, err := source.Keep(t.Context(), oneByOne(keys), source.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	var seen []string
	if _, _, err := ring.Prepare(func(key source.Key) (any, error) { seen = append(seen, key.Version); return nil, nil }); err != nil {
		t.Fatal(err)
	}
	for n, key := range []source.Key{{}, {}, {Version: "v5"}, {Version: "v5"}} {
		key.Secret = source.NewSecret("sentinel-" + string(rune('a'+n)))
		keys <- key
		if err := ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := ring.Version(); v == "" || v != seen[len(seen)-1] {
			t.Errorf("key %d is reported as %q, its scheme saw %q", n+1, v, seen)
		}
	}
	if slices.Sort(seen); len(slices.Compact(seen)) != 5 {
		t.Errorf("five keys have the names %q", seen)
	}
}

type oneByOne chan source.Key

func (s oneByOne) Read(ctx context.Context) (source.Set, error) {
	select {
	case key := <-s:
		return source.Set{Keys: []source.Key{key}}, nil
	case <-ctx.Done():
		return source.Set{}, ctx.Err()
	}
}
