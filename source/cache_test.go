package source_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

func TestFileCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.cache")
	c := source.FileCache(path)
	if _, err := c.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load of nothing: %v", err)
	}
	for _, text := range []string{"one", "two"} {
		if err := c.Save(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if data, err := c.Load(t.Context()); err != nil || string(data) != text {
			t.Errorf("load: %q, %v", data, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Load(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a file that others read: %v", err)
	}
	if err := source.FileCache(filepath.Join(path, "x")).Save(t.Context(), nil); err == nil {
		t.Error("saved below a file")
	}
	if left, _ := filepath.Glob(path + ".tmp*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A crash in the middle of a Save leaves a file with all keys behind. It goes with
// a later Save; what may be another process's, or somebody's, does not.
//
// F95, F102
func TestFileCacheRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	now, before := time.Now(), time.Now().Add(-2*time.Minute)
	for name, at := range map[string]time.Time{
		"cache.tmp123": before, "cache.tmp9": before,
		"cache.tmp45": now, "cache.tmp": before, "cache.tmp1.bak": before, "other.tmp1": before,
	} {
		if err := errors.Join(os.WriteFile(name, []byte("sentinel-1"), 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("cache.tmp7", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes("cache.tmp7", before, before); err != nil {
		t.Fatal(err)
	}
	const want = "cache cache.tmp cache.tmp1.bak cache.tmp45 cache.tmp7 other.tmp1"
	for _, path := range []string{"cache", filepath.Join(dir, "cache")} {
		if err := source.FileCache(path).Save(t.Context(), []byte("sentinel-2")); err != nil {
			t.Fatal(err)
		}
		var names []string
		entries, err := os.ReadDir(".")
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: in the directory are %s, want %s", path, got, want)
		}
	}
}

// The directory is synced once the new file is in its place, and what fails there
// is told.
func TestFileCacheSyncsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache")
	broken := errors.New("no sync")
	synced := 0
	c := source.FileCacheSyncing(path, func(d string) error {
		synced++
		if data, err := os.ReadFile(path); filepath.Clean(d) != dir || err != nil || string(data) != "sentinel-1" {
			t.Errorf("%s was synced before the file was there: %v", d, err)
		}
		return broken
	})
	if err := c.Save(t.Context(), []byte("sentinel-1")); !errors.Is(err, broken) || synced != 1 {
		t.Errorf("%d syncs, error %v", synced, err)
	}
}

// memory is a cache for a bubble, where file I/O would do as well but slower.
type memory struct {
	mu   sync.Mutex
	data []byte
	fail bool // the next Save
}

func (m *memory) failNext() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = true
}

func (m *memory) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil, fs.ErrNotExist
	}
	return m.data, nil
}

func (m *memory) Save(ctx context.Context, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err // at Close as well there is time to save
	}
	if m.fail {
		m.fail = false
		return errors.New("disk full")
	}
	m.data = data
	return nil
}

func (m *memory) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.data)
}

// A restart within an overlap still has the previous key, for the rest of the
// overlap; a restart while the source is down still starts.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{}
		s := &store{set: plain("a")}
		opts := []source.Option{source.WithCache(cache), source.WithOverlap(time.Hour), source.WithRefusalWait(0)}
		r, _ := keep(t, s, opts...)
		v1 := r.Version()
		time.Sleep(time.Minute)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		time.Sleep(30 * time.Minute)
		r.Close()

		r, ev := keep(t, s, opts...)
		a := attempt(t, r, v2)
		b := next(t, &a, v1)
		b.Unknown()
		if st := r.Status(); st.Stale {
			t.Errorf("stale: %+v", st)
		}
		time.Sleep(31 * time.Minute)
		a = attempt(t, r, v2)
		next(t, &a, "")
		r.Close()
		wantKinds(t, ev, "switched "+v2, "overlap_ended "+v1, "refused "+v2, "all_refused "+v2)

		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, opts...)
		a = attempt(t, r, v2)
		a.Accepted()
		if st := r.Status(); !st.Stale || st.Healthy {
			t.Errorf("keys out of the cache are not stale: %+v", st)
		}
	})
}

// A key that was revoked is not in the cache any more.
func TestRevokedKeyIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{}
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithCache(cache))
		synctest.Wait()
		if !strings.Contains(cache.text(), "sentinel-v2") {
			t.Fatal("nothing cached")
		}
		if err := r.Revoke("v2"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if strings.Contains(cache.text(), "sentinel-v2") {
			t.Error("the revoked key is still cached")
		}
	})
}

// A cache that is broken, or another source's, changes nothing but a warning.
func TestBadCache(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":     "sentinel-0",
		"other format": `{"format":9,"source":"store","keys":[{"label":"v0","secret":"sentinel-0"}]}`,
		"other source": `{"format":1,"source":"other","keys":[{"label":"v0","secret":"sentinel-0"}]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			r, ev := keep(t, &store{set: listed("v1")}, source.WithCache(&memory{data: []byte(text)}))
			accepted(t, r, "v1")
			synctest.Wait()
			if got := versions(r); ev.count(source.Warning) != 1 || len(got) != 1 {
				t.Errorf("%s: %q, events %v", name, got, ev.kinds())
			}
			for _, e := range ev.list {
				if e.Err != nil && strings.Contains(e.Err.Error(), "sentinel") {
					t.Errorf("%s: %v", name, e.Err)
				}
			}
		})
	}
}
