package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/env"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// F27: an environment variable that holds the key.
func TestEnvSource(t *testing.T) {
	t.Parallel()
	const variable = "ROLLINGKEYS_CONFORMANCE"
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			set := func(name, value string) {
				if err := os.Setenv(name, value); err != nil {
					t.Fatal(err)
				}
			}
			unset := func(names ...string) {
				for _, name := range names {
					if err := os.Unsetenv(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Cleanup(func() { unset(variable, variable+"_FILE") })
			return conformance.SourceBackend{
				Source: env.New(variable),
				Put: func(keys ...source.Key) {
					unset(variable + "_FILE")
					if len(keys) == 0 {
						set(variable, "")
						return
					}
					set(variable, keys[0].Secret.Expose())
				},
				Delete: func() { unset(variable) },
				Break:  func() { set(variable+"_FILE", "/nowhere") }, // setting both variables is an error
				Repair: func() { unset(variable + "_FILE") },
			}
		},
		Skip: map[string]string{
			"Push":   "nobody is told when a variable is set",
			"Torn":   "a variable is set at one stroke",
			"Denied": "a process may read its own environment",
			"Hang":   "a variable is read at once",
		},
	})
}

// F27: an environment variable that names the key's file.
func TestEnvFileSource(t *testing.T) {
	t.Parallel()
	const variable = "ROLLINGKEYS_CONFORMANCE_IN_FILE"
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			e := newEntry(t, "rename", "key")
			if err := os.Setenv(variable+"_FILE", e.path("key")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Unsetenv(variable + "_FILE") })
			return e.backend(env.New(variable), oneToken)
		},
		Skip: skipFile(),
	})
}

// First reads the one source that has a key, and notifies of its changes.
func TestFirstSource(t *testing.T) {
	t.Parallel()
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			e := newEntry(t, "volume", "key")
			absent := file.New(filepath.Join(t.TempDir(), "absent", "key"))
			return e.backend(source.First(absent, file.New(e.path("key")), env.New("ROLLINGKEYS_CONFORMANCE_UNSET")), oneToken)
		},
		Skip: skipFile(),
	})
}
