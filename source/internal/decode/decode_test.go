package decode_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// F21
func TestReadAll(t *testing.T) {
	longest := strings.Repeat("x", source.MaxSize)
	if data, err := decode.ReadAll(strings.NewReader(longest)); err != nil || string(data) != longest {
		t.Errorf("the longest: %d bytes, %v", len(data), err)
	}
	if _, err := decode.ReadAll(strings.NewReader(longest + "x")); err != decode.ErrTooLong || !errors.Is(err, source.ErrInvalid) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestSet(t *testing.T) {
	failed := errors.New("failed")
	returns := func(set source.Set, err error) source.Decoder {
		return func([]byte) (source.Set, error) { return set, err }
	}
	for name, tc := range map[string]struct {
		decode source.Decoder
		data   string
		want   error
	}{
		"a key":        {source.Plain, "sentinel-1", nil},
		"no key":       {source.Plain, "", source.ErrInvalid},
		"an own error": {returns(source.Set{}, failed), "x", failed},
		"nothing":      {returns(source.Set{}, nil), "x", source.ErrInvalid},
		"revoked only": {returns(source.Set{Revoked: []string{"v1"}}, nil), "x", nil},
		"too long":     {returns(source.Set{Revoked: []string{"v1"}}, nil), strings.Repeat("x", source.MaxSize+1), decode.ErrTooLong},
	} {
		_, err := decode.Set(tc.decode, []byte(tc.data))
		if !errors.Is(err, tc.want) || err != nil && !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	set := source.Set{Keys: []source.Key{{Version: "v2", Scopes: []string{"read"}}}, Revoked: []string{"v1"}}
	got := decode.Clone(set)
	got.Keys[0].Version, got.Keys[0].Scopes[0], got.Revoked[0] = "", "", ""
	if set.Keys[0].Version != "v2" || set.Keys[0].Scopes[0] != "read" || set.Revoked[0] != "v1" {
		t.Errorf("changed with its copy: %v", set)
	}
}
