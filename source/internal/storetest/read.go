package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// Read reads src, which must list exactly these versions, newest first, as a Complete set.
func Read[V string | int](t testing.TB, src source.Source, versions ...V) source.Set {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, key := range set.Keys {
		got = append(got, key.Version)
	}
	for _, v := range versions {
		want = append(want, fmt.Sprint(v))
	}
	if !slices.Equal(got, want) || !set.Complete {
		t.Fatalf("versions %v, want %v, complete: %v", got, want, set.Complete)
	}
	return set
}
