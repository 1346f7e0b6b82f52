package ring_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func TestFileCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.cache")
	c := ring.FileCache(path)
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
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.FileCache(dir).Load(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, make([]byte, 16*source.MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.FileCache(long).Load(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a file without end: %v", err)
	}
	if err := ring.FileCache(filepath.Join(path, "x")).Save(t.Context(), nil); err == nil {
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
		if err := ring.FileCache(path).Save(t.Context(), []byte("sentinel-2")); err != nil {
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
	c := ring.FileCacheSyncing(path, func(d string) error {
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

// stuck is a cache whose Load or Save ignores its context, until the test ends.
type stuck struct {
	memory
	load, save bool
	saves      atomic.Int64
	end        chan struct{}
}

func (s *stuck) Load(ctx context.Context) ([]byte, error) {
	if s.load {
		<-s.end
	}
	return s.memory.Load(ctx)
}

func (s *stuck) Save(ctx context.Context, data []byte) error {
	if s.save {
		s.saves.Add(1)
		<-s.end
	}
	return s.memory.Save(ctx, data)
}

// A cache hangs. Keep ends with its context all the same, and goes on without the cache if
// it may wait. One Save is under way at most, and Status says that it does not end.
//
// F176
func TestCacheHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &stuck{load: true, save: true, end: make(chan struct{})}
		defer close(cache.end)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := ring.Keep(ctx, &store{set: listed("v1")}, ring.WithCache(cache)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(begun); d != 5*time.Second {
			t.Errorf("Keep took %v", d)
		}
		begun = time.Now()
		r, ev := keep(t, &store{set: listed("v1")}, ring.WithCache(cache), ring.WithPoll(time.Minute))
		if d := time.Since(begun); d != 10*time.Second {
			t.Errorf("Keep took %v", d)
		}
		accepted(t, r, "v1")
		time.Sleep(time.Hour)
		if n := cache.saves.Load(); n != 1 {
			t.Errorf("%d saves under way", n)
		}
		if st := r.Status(); st.Healthy || ev.count(ring.Warning) == 0 {
			t.Errorf("degraded: %v; %d warnings", st.Degraded, ev.count(ring.Warning))
		}
	})
}

// A key that was revoked is not in the cache any more.
func TestRevokedKeyIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{}
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, ring.WithCache(cache))
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
			r, ev := keep(t, &store{set: listed("v1")}, ring.WithCache(&memory{data: []byte(text)}))
			accepted(t, r, "v1")
			synctest.Wait()
			if got := versions(r); ev.count(ring.Warning) != 1 || len(got) != 1 {
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

// A failed save is tried again.
func TestCacheIsSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &memory{}
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithCache(c), ring.WithPoll(time.Minute))
		synctest.Wait()
		c.failNext()
		s.put(listed("v2"), nil)
		refresh(t, r)
		time.Sleep(5 * time.Hour)
		r.Close()
		if !strings.Contains(string(c.data), "sentinel-v2") {
			t.Error("v2 is not in the cache 5 h after one failed save")
		}
	})
}

// A process that ends without Close leaves a cache that is 5 minutes old at most.
//
// F76
func TestCacheIsSavedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: listed("v1")}, &memory{}
		keep(t, s, ring.WithCache(cache), ring.WithPoll(time.Minute))
		time.Sleep(time.Hour)
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ := keep(t, s, ring.WithCache(&memory{data: []byte(cache.text())}))
		if age := r.Status().Age; age > 7*time.Minute {
			t.Errorf("the cache is %v old", age)
		}
	})
}

// A key that the scheme cannot use, one that has expired and one that was revoked
// are not in the cache: a restart would find the first current.
//
// F19, F102
func TestUselessKeysAreNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prepare := func(k source.Key) (any, error) {
			if k.Version == "bad" {
				return nil, errors.New("cannot be parsed")
			}
			return nil, nil
		}
		set := listed("bad", "v3", "v2", "v1")
		set.Keys[2].ExpiresAt = time.Now().Add(time.Minute)
		s, cache := &store{set: set}, &memory{}
		r, _ := keep(t, s, ring.WithCache(cache), ring.WithPrepare(prepare))
		time.Sleep(2 * time.Minute)
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		r.Close()
		for _, useless := range []string{"sentinel-bad", "sentinel-v2", "sentinel-v1"} {
			if strings.Contains(cache.text(), useless) || !strings.Contains(cache.text(), "sentinel-v3") {
				t.Errorf("%s is in the cache: %t", useless, strings.Contains(cache.text(), useless))
			}
		}
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, ring.WithCache(cache))
		if _, _, err := r.Prepare(prepare); err != nil || r.Version() != "v3" {
			t.Errorf("%s in use, %v", r.Version(), err)
		}
	})
}

// A cache without a salt, of an older version or by another hand, does not make
// the ring keep digests that can be guessed; keys that are none are left out.
//
// F98
func TestCacheByAnotherHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{data: []byte(`{"format":1,"source":"store","keys":[{"version":"v3","label":"v3","secret":""},
			{"version":"v2","label":"v2","secret":"sentinel-v2"},{"version":"v1","label":"v1","secret":"sentinel-v2"}]}`)}
		r, _ := keep(t, &store{err: source.ErrUnavailable}, ring.WithCache(cache))
		if got := versions(r); !slices.Equal(got, []string{"v2 current"}) {
			t.Errorf("%q", got)
		}
		r.Close()
		var saved struct{ Salt []byte }
		if err := json.Unmarshal([]byte(cache.text()), &saved); err != nil || len(saved.Salt) != 32 {
			t.Errorf("salt of %d bytes, %v", len(saved.Salt), err)
		}
	})
}
