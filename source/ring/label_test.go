package ring_test

import (
	"context"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A scheme sees every key under the name that the ring reports it by, whether it
// was made before the key came or after.
//
// F74, F91
func TestSchemesSeeTheNameThatIsReported(t *testing.T) {
	keys := make(chan source.Key, 1)
	keys <- source.Key{Secret: source.NewSecret("sentinel-first")}
	live, err := ring.Keep(t.Context(), oneByOne(keys), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	var seen []string
	if _, _, err := live.Prepare(func(key source.Key) (any, error) { seen = append(seen, key.Version); return nil, nil }); err != nil {
		t.Fatal(err)
	}
	for n, key := range []source.Key{{}, {}, {Version: "v5"}, {Version: "v5"}} {
		key.Secret = source.NewSecret("sentinel-" + string(rune('a'+n)))
		keys <- key
		if err := live.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := live.Version(); v == "" || v != seen[len(seen)-1] {
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
