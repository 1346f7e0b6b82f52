package env_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/env"
	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, src source.Source) source.Set {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// describe returns a set's keys as id/secret/passphrase, newest first.
func describe(set source.Set) string {
	var b strings.Builder
	for _, k := range set.Keys {
		fmt.Fprintf(&b, "%s/%s/%s ", k.ID, k.Secret.Expose(), k.Extra["passphrase"].Expose())
	}
	return strings.TrimSpace(b.String())
}

func wantError(t *testing.T, src source.Source, target error) {
	t.Helper()
	_, err := src.Read(t.Context())
	var typed *source.Error
	if !errors.Is(err, target) || !errors.As(err, &typed) || typed.Source != src.(fmt.Stringer).String() {
		t.Fatalf("error %v, want a *source.Error that wraps %v", err, target)
	}
	if strings.Contains(err.Error(), "sentinel") { // F95
		t.Fatalf("the error %q holds a value", err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// F27: an empty variable counts as unset, and the next reading sees what the process sets.
func TestVariable(t *testing.T) {
	src := env.New("X_TOKEN")
	wantError(t, src, source.ErrNoKey)
	t.Setenv("X_TOKEN", "")
	t.Setenv("X_TOKEN_FILE", "")
	wantError(t, src, source.ErrNoKey)
	for _, text := range []string{"sentinel-v1", "sentinel-v2\n", "-----BEGIN X-----\nc2VjcmV0\n-----END X-----"} {
		t.Setenv("X_TOKEN", text)
		if got := describe(read(t, src)); got != "/"+strings.TrimSpace(text)+"/" {
			t.Errorf("read %s", got)
		}
	}
	t.Setenv("X_TOKEN", "sentinel\r\nX-Evil: 1") // F19
	wantError(t, src, source.ErrInvalid)
}

func TestPair(t *testing.T) {
	src := env.Pair("X")
	t.Setenv("X_API_KEY", "id")
	t.Setenv("X_API_SECRET", "sentinel")
	t.Setenv("X_API_PASSPHRASE", "word")
	if got := describe(read(t, src)); got != "id/sentinel/word" {
		t.Errorf("read %s", got)
	}
	t.Setenv("X_API_KEY_PREVIOUS", "id0")
	t.Setenv("X_API_SECRET_PREVIOUS", "sentinel-s0")
	set := read(t, src)
	if got := describe(set); got != "id/sentinel/word id0/sentinel-s0/" || set.Complete {
		t.Errorf("read %s, complete: %v", got, set.Complete)
	}
	t.Setenv("X_API_SECRET_PREVIOUS", "")
	wantError(t, src, source.ErrInvalid) // the ID must not become the secret
	t.Setenv("X_API_KEY_PREVIOUS", "")
	if got := describe(read(t, src)); got != "id/sentinel/word" {
		t.Errorf("read %s", got)
	}
	t.Setenv("X_API_KEY", "")
	wantError(t, src, source.ErrInvalid)
	t.Setenv("X_API_KEY", "id")
	t.Setenv("X_API_PASSPHRASE", "")
	t.Setenv("X_API_SECRET", "")
	wantError(t, src, source.ErrInvalid)
	t.Setenv("X_API_SECRET_FILE", filepath.Join(t.TempDir(), "secret"))
	put(t, os.Getenv("X_API_SECRET_FILE"), "sentinel-2")
	if got := describe(read(t, src)); got != "id/sentinel-2/" { // F27: beside an empty variable, the file counts
		t.Errorf("read %s", got)
	}
}

// F27: each reading looks up NAME_FILE again, and its file is watched.
func TestFileIndirection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	t.Setenv("X_TOKEN_FILE", path)
	src := env.New("X_TOKEN")
	wantError(t, src, source.ErrNoKey)
	put(t, path, "sentinel-v1\n")
	set := read(t, src)
	if got := describe(set); got != "/sentinel-v1/" || set.FreshFor == 0 || set.Keys[0].CreatedAt.IsZero() {
		t.Fatalf("%s, %+v", got, set)
	}

	changed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- src.Notify(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	<-changed // the watch has begun
	put(t, path, "sentinel-v2\n")
	for deadline := time.After(10 * time.Second); describe(read(t, src)) != "/sentinel-v2/"; {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("no notice led to v2")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	put(t, path, "")
	wantError(t, src, source.ErrInvalid)
	t.Setenv("X_TOKEN", "sentinel")
	wantError(t, src, source.ErrInvalid) // both variables are set
	t.Setenv("X_TOKEN_FILE", "")
	if got := describe(read(t, src)); got != "/sentinel/" {
		t.Errorf("read %s", got)
	}
}

// F26: two files are in a directory behind a link that is switched all the time.
func TestPairOfFilesIsNotMixed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("X_API_KEY_FILE", filepath.Join(dir, "current", "id"))
	t.Setenv("X_API_SECRET_FILE", filepath.Join(dir, "current", "secret"))
	swap := func(i int) {
		name := filepath.Join(dir, fmt.Sprint(i))
		err := os.Mkdir(name, 0o700)
		put(t, filepath.Join(name, "id"), fmt.Sprintf("id-%d", i))
		put(t, filepath.Join(name, "secret"), fmt.Sprintf("sentinel-%d", i))
		link := filepath.Join(dir, "current")
		if err = errors.Join(err, os.Symlink(name, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Error(err)
		}
	}
	swap(0)
	src := env.Pair("X")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			swap(i + 1)
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		set, err := src.Read(t.Context())
		if errors.Is(err, source.ErrUnavailable) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		key := set.Keys[0]
		if strings.TrimPrefix(key.ID, "id-") != strings.TrimPrefix(key.Secret.Expose(), "sentinel-") {
			t.Fatalf("a mixed pair: %s", describe(set))
		}
	}
	if got := describe(read(t, src)); got != "id-100/sentinel-100/" {
		t.Errorf("read %s at the end", got)
	}
}

// Without a file there is nothing to watch, and Notify still does what a Notifier must.
func TestNotifyWithoutFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		called, ended := 0, false
		go func() {
			if err := env.New("X_TOKEN").Notify(ctx, func() { called++ }); err != nil {
				t.Error(err)
			}
			ended = true
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if called != 1 || ended {
			t.Errorf("called %d times, ended: %v", called, ended)
		}
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("Notify outlived its context")
		}
	})
}

func TestParse(t *testing.T) {
	t.Setenv("X_TOKEN", "sentinel-v1")
	t.Setenv("X_API_KEY", "id")
	t.Setenv("X_API_SECRET", "sentinel-1")
	for text, want := range map[string]string{
		"env://X_TOKEN": "/sentinel-v1/", "env://X?pair=true": "id/sentinel-1/", "env://X_TOKEN?pair=false&poll=10s": "/sentinel-v1/",
	} {
		src, _, err := source.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := describe(read(t, src)); got != want {
			t.Errorf("%s: read %s", text, got)
		}
	}
	for _, text := range []string{"env:X", "env://", "env://X/y", "env://X-Y", "env://X?pair=sentinel", "env://X?other=sentinel"} {
		if _, _, err := source.Parse(text); !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "sentinel") { // F103
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := env.Pair("X").String(); got != "env://X?pair=true" {
		t.Error(got)
	}
}

// F27: Docker Compose turns an unset variable into an empty file name. It does not turn the
// ID into the secret.
func TestPairWithAnEmptyFileName(t *testing.T) {
	t.Setenv("Y_API_KEY", "id")
	t.Setenv("Y_API_SECRET_FILE", "")
	wantError(t, env.Pair("Y"), source.ErrInvalid)
}
