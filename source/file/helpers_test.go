package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) {
	// Tests must pass by events, so the source must not set its watches again by itself.
	file.SetRearm(time.Hour)
	goleak.VerifyTestMain(m)
}

// limit is how long a test waits before it fails. A test that passes never waits for it.
const limit = 10 * time.Second

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace renames a new file over path.
func replace(t testing.TB, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func tempFile(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	write(t, path, text)
	return path
}

func read(t testing.TB, src source.Source) source.Key {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return set.Keys[0]
}

func wantSecret(t testing.TB, src source.Source, want string) {
	t.Helper()
	if got := read(t, src).Secret.Expose(); got != want {
		t.Fatalf("read %q, want %q", got, want)
	}
}

// wantError reads src, which must return a *source.Error that wraps target, has the source's
// name, and contains none of the hidden texts.
func wantError(t testing.TB, src source.Source, target error, hidden ...string) {
	t.Helper()
	_, err := src.Read(t.Context())
	var typed *source.Error
	if !errors.Is(err, target) || !errors.As(err, &typed) {
		t.Fatalf("error %v, want a *source.Error that wraps %v", err, target)
	}
	if !strings.HasPrefix(typed.Source, "file:///") {
		t.Errorf("the error names the source %q", typed.Source)
	}
	for _, h := range hidden {
		if strings.Contains(err.Error(), h) {
			t.Errorf("the error %q holds data", err)
		}
	}
}

// watching runs Notify until the test ends. The channel gets a token after each change.
func watching(t testing.TB, src source.Notifier) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	changed := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		done <- src.Notify(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Notify: %v", err)
		}
	})
	select {
	case <-changed: // F14: the call at the beginning of the watch
	case <-time.After(limit):
		t.Fatal("Notify never said that it is armed")
	}
	return changed
}

// served reads src after each notification, and only then, until the secret is want. It
// fails if it reads a secret that is not in known.
func served(t testing.TB, src source.Source, changed <-chan struct{}, want string, known ...string) {
	t.Helper()
	deadline := time.After(limit)
	for {
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no notice led to %q", want)
		}
		set, err := src.Read(t.Context())
		if err != nil {
			continue
		}
		got := set.Keys[0].Secret.Expose()
		if got == want {
			return
		}
		ok := false
		for _, k := range known {
			ok = ok || got == k
		}
		if !ok {
			t.Fatalf("read %q, which nobody wrote", got)
		}
	}
}
