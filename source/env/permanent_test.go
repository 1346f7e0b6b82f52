package env_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/env"
)

// What is wrong with the variables stays wrong; a file may come.
//
// F134
func TestPermanent(t *testing.T) {
	t.Setenv("X_BAD", "sentinel\r\nX-Evil: 1")
	t.Setenv("X_BOTH", "sentinel-1")
	t.Setenv("X_BOTH_FILE", "/etc/hostname")
	t.Setenv("X_FILE_FILE", filepath.Join(t.TempDir(), "key"))
	t.Setenv("HALF_API_SECRET", "sentinel-1")
	t.Setenv("PAIR_API_KEY", "id")
	t.Setenv("PAIR_API_SECRET_FILE", filepath.Join(t.TempDir(), "secret"))
	for _, c := range []struct {
		src  *env.Source
		want bool
	}{
		{env.New("X_UNSET"), true},
		{env.New("X_BAD"), true},
		{env.New("X_BOTH"), true},
		{env.New("X_FILE"), false},
		{env.Pair("X_UNSET"), true},
		{env.Pair("HALF"), true},
		{env.Pair("PAIR"), false},
	} {
		_, err := c.src.Read(t.Context())
		var e *source.Error
		if !errors.As(err, &e) || e.Permanent != c.want {
			t.Errorf("%v: permanent %v, want %v", err, e != nil && e.Permanent, c.want)
		}
	}
}
