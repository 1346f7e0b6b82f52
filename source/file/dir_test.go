package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

func bundle(i int) map[string]string {
	return map[string]string{
		"api-key":    fmt.Sprintf("id-%d\n", i),
		"api-secret": fmt.Sprintf("sentinel-%d\n", i),
		"passphrase": fmt.Sprintf("[word-%d\n", i),
	}
}

// whole fails unless all fields of the key are from one bundle. It returns the bundle's
// number.
func whole(t *testing.T, key source.Key) string {
	t.Helper()
	n := strings.TrimPrefix(key.ID, "id-")
	if key.Secret.Expose() != "sentinel-"+n || key.Extra["passphrase"].Expose() != "[word-"+n {
		t.Fatalf("a mixed key: %s, %s, %s", key.ID, key.Secret.Expose(), key.Extra["passphrase"].Expose())
	}
	return n
}

// F26: the test switches the link after each file that the source reads.
func TestBundleIsNeverMixed(t *testing.T) {
	v := newVolume(t, bundle(0))
	src := file.Dir(v.dir)
	whole(t, read(t, src))
	i := 0
	for _, after := range []string{"api-key", "api-secret", "passphrase"} {
		for _, keep := range []bool{false, true} {
			v.keep = keep
			src.OnRead(func(name string) {
				if name == after {
					src.OnRead(nil)
					i++
					v.swap(bundle(i))
				}
			})
			if got := whole(t, read(t, src)); got != fmt.Sprint(i) {
				t.Errorf("switched after %s: read %s, want %d", after, got, i)
			}
		}
	}
}

// F26: several goroutines read while the link is switched all the time.
func TestBundleUnderSwaps(t *testing.T) {
	v := newVolume(t, bundle(0))
	src := file.Dir(v.dir)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				set, err := src.Read(ctx)
				if err == nil {
					whole(t, set.Keys[0])
				} else if ctx.Err() == nil && !errors.Is(err, source.ErrUnavailable) { // F22: after 20 swaps in one reading
					t.Error(err)
				}
			}
		})
	}
	for i := range 200 {
		v.swap(bundle(i + 1))
	}
	cancel()
	wg.Wait()
	if got := whole(t, read(t, src)); got != "200" {
		t.Fatalf("read %s at the end", got)
	}
}

// F01, F26
func TestServesEverySwapOfBundle(t *testing.T) {
	v := newVolume(t, bundle(0))
	src := file.Dir(v.dir)
	changed := watching(t, src)
	for i := range 20 {
		v.swap(bundle(i + 1))
		served(t, src, changed, fmt.Sprintf("sentinel-%d", i+1), fmt.Sprintf("sentinel-%d", i))
		whole(t, read(t, src))
	}
}

// F26: the files are replaced one after the other. The source waits for the second file. If
// it is not replaced in time, the source returns the files as they are.
func TestWaitsForOtherHalf(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) { t.Helper(); replace(t, filepath.Join(dir, name), text) }
	for name, text := range bundle(0) {
		put(name, text)
	}
	src := file.Dir(dir)
	whole(t, read(t, src))

	// A reading that begins after the id has changed waits until the passphrase has changed.
	src.SetPatience(time.Minute)
	put("api-key", "id-1")
	readings := 0
	src.OnRead(func(name string) {
		if name != "passphrase" {
			return
		}
		switch readings++; readings {
		case 4:
			put("api-secret", "sentinel-1")
		case 8:
			src.OnRead(nil)
			put("passphrase", "[word-1")
		}
	})
	if got := whole(t, read(t, src)); got != "1" {
		t.Fatalf("read %s", got)
	}

	src.SetPatience(time.Millisecond)
	put("api-secret", "sentinel-2") // a new password for the same user
	if key := read(t, src); key.ID != "id-1" || key.Secret.Expose() != "sentinel-2" {
		t.Fatalf("read %s, %s", key.ID, key.Secret.Expose())
	}
}

// The files are replaced one after the other, twice in a row. In between, every file differs
// from the one before, but the id is of another key than the secret.
//
// F174
func TestTwoRotationsInARow(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path, text string){
		"renamed":  func(t *testing.T, path, text string) { replace(t, path, text) },
		"in place": func(t *testing.T, path, text string) { write(t, path, text[:3]); write(t, path, text) },
		"links": func(t *testing.T, path, text string) {
			write(t, path+text, text)
			if err := errors.Join(os.Symlink(path+text, path+".new"), os.Rename(path+".new", path)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, how := range []string{"one reading", "a reading that ends early"} {
			t.Run(name+", "+how, func(t *testing.T) {
				dir := t.TempDir()
				id, secret := filepath.Join(dir, "api-key"), filepath.Join(dir, "api-secret")
				put(t, id, "id-0")
				put(t, secret, "sentinel-0")
				src := file.Dir(dir, file.WithNames("api-key", "api-secret", ""))
				read(t, src)
				src.SetPatience(time.Minute)

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				put(t, id, "id-1")
				readings := 0
				src.OnRead(func(name string) {
					if name != "api-secret" {
						return
					}
					switch readings++; readings {
					case 2:
						if how != "one reading" {
							cancel()
						}
						put(t, secret, "sentinel-1")
						put(t, id, "id-2")
					case 5:
						put(t, secret, "sentinel-2")
					}
				})
				set, err := src.Read(ctx)
				if how != "one reading" {
					if err == nil {
						t.Fatalf("read %s", set.Keys[0].ID)
					}
					set, err = src.Read(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				if key := set.Keys[0]; key.ID != "id-2" || key.Secret.Expose() != "sentinel-2" {
					t.Errorf("read %s, %s", key.ID, key.Secret.Expose())
				}
			})
		}
	}
}

// The files version and expires-at say what the key itself does not.
//
// F130
func TestBundleSaysItsVersionAndItsEnd(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) { t.Helper(); replace(t, filepath.Join(dir, name), text) }
	for name, text := range bundle(0) {
		put(name, text)
	}
	put("version", "v7\n")
	put("expires-at", "2026-12-31T12:00:00+02:00\n")
	src := file.Dir(dir)
	end := time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC)
	if key := read(t, src); key.Version != "v7" || !key.ExpiresAt.Equal(end) || key.CreatedAt.IsZero() {
		t.Errorf("%+v", key)
	}
	src.SetPatience(time.Minute) // a change of what is about the key waits for nothing
	created := read(t, src).CreatedAt
	put("expires-at", "2027-12-31T10:00:00Z")
	if key := read(t, src); !key.ExpiresAt.Equal(end.AddDate(1, 0, 0)) || !key.CreatedAt.Equal(created) {
		t.Errorf("%+v", key)
	}
	for text, naive := range map[string]bool{"1830074400\n": false, "2027-12-29 10:00:00+00:00": false, "2027-12-29T10:00:00": true} { // F155
		put("expires-at", text)
		set, err := src.Read(t.Context())
		if err != nil || !set.Keys[0].ExpiresAt.Equal(end.AddDate(1, 0, -2)) || (len(set.Warnings) > 0) != naive {
			t.Errorf("%s: %+v, %v", text, set, err)
		}
	}
	put("version", "v8")
	if key := read(t, src); key.Version != "v8" {
		t.Errorf("%+v", key)
	}
	for name, text := range map[string]string{
		"expires-at": "tomorrow", "version": "two words",
	} {
		put(name, text)
		wantError(t, src, source.ErrInvalid, text)
		put(name, "")
		wantError(t, src, source.ErrInvalid, "sentinel")
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if key := read(t, src); key.Version != "" || !key.ExpiresAt.IsZero() {
		t.Errorf("%+v", key)
	}
	put("version", "id-9") // a field of the key, if it is named so
	if key := read(t, file.Dir(dir, file.WithNames("version", "api-secret", ""))); key.ID != "id-9" || key.Version != "" {
		t.Errorf("%+v", key)
	}
}

// A key that is replaced file by file does not get the name of the version before.
//
// F26, F91
func TestWaitsForTheVersion(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) { t.Helper(); replace(t, filepath.Join(dir, name), text) }
	put("api-key", "id-0")
	put("api-secret", "sentinel-0")
	put("version", "v0")
	src := file.Dir(dir, file.WithNames("", "api-secret", ""))
	read(t, src)
	src.SetPatience(time.Minute)
	put("api-secret", "sentinel-1")
	readings := 0
	src.OnRead(func(name string) {
		if name != "api-secret" {
			return
		}
		if readings++; readings == 4 {
			src.OnRead(nil)
			put("version", "v1")
		}
	})
	if key := read(t, src); key.Version != "v1" || key.Secret.Expose() != "sentinel-1" {
		t.Errorf("%s, %s", key.Version, key.Secret.Expose())
	}
}

func TestBundleFields(t *testing.T) {
	dir := t.TempDir()
	src := file.Dir(dir)
	src.SetPatience(time.Millisecond)
	wantError(t, src, source.ErrNoKey)
	write(t, filepath.Join(dir, "api-key"), "id")
	wantError(t, src, source.ErrNoKey)
	pem := "-----BEGIN PRIVATE KEY-----\nc2VudGluZWw=\n-----END PRIVATE KEY-----"
	write(t, filepath.Join(dir, "api-secret"), pem+"\n")
	key := read(t, src)
	info, err := os.Stat(filepath.Join(dir, "api-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if key.ID != "id" || key.Secret.Expose() != pem || key.Extra != nil || !key.CreatedAt.Equal(info.ModTime()) {
		t.Fatalf("%+v", key)
	}
	write(t, filepath.Join(dir, "passphrase"), "word")
	if key := read(t, src); key.Extra["passphrase"].Expose() != "word" {
		t.Fatalf("%+v", key)
	}
	write(t, filepath.Join(dir, "passphrase"), "two\nsentinel lines") // F19
	wantError(t, src, source.ErrInvalid, "sentinel")

	write(t, filepath.Join(dir, "user"), "u")
	write(t, filepath.Join(dir, "password"), "p")
	if key := read(t, file.Dir(dir, file.WithNames("user", "password", ""))); key.ID != "u" || key.Secret.Expose() != "p" || key.Extra != nil {
		t.Fatalf("%+v", key)
	}
	if key := read(t, file.Dir(dir, file.WithNames("", "password", ""))); key.ID != "" || key.Secret.Expose() != "p" {
		t.Fatalf("%+v", key)
	}
}
