package age_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	rkage "github.com/rollingkeys/rollingkeys/source/age"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first  = "sentinel-first-0123456789"
	second = "sentinel-second-9876543210"
)

// A store is a source that lists one key at a time, and can be down.
type store struct {
	mu  sync.Mutex
	key string
}

func (s *store) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == "" {
		return source.Set{}, &source.Error{Source: "store", Err: source.ErrUnavailable}
	}
	return source.Set{Keys: []source.Key{{Secret: source.NewSecret(s.key)}}}, nil
}

func (s *store) String() string { return "store" }

func (s *store) put(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// warnings collects the errors of a ring's warnings.
type warnings struct {
	mu   sync.Mutex
	errs []error
	seen chan struct{}
}

func (w *warnings) observe(e ring.Event) {
	if e.Kind != ring.Warning {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, e.Err)
	select {
	case w.seen <- struct{}{}:
	default:
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func keep(t *testing.T, src source.Source, opts ...ring.Option) *ring.Ring {
	t.Helper()
	keys, err := ring.Keep(t.Context(), src, append(opts, ring.WithLogger(nil))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	return keys
}

func secret(t *testing.T, keys *ring.Ring) string {
	t.Helper()
	attempt, err := keys.Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	attempt.Accepted()
	return attempt.Key().Secret.Expose()
}

// sealedFile returns a cache file that a ring has written, with second as the current and
// first as the previous key.
func sealedFile(t *testing.T, identity *age.X25519Identity) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.age")
	src := &store{key: first}
	keys := keep(t, src, ring.WithCache(rkage.Cache(ring.FileCache(path), identity.Recipient(), identity)))
	src.put(second)
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// While the source is down, a ring starts from its encrypted cache. It has both the current
// and the previous key.
func TestRingStartsFromEncryptedCache(t *testing.T) {
	identity := newIdentity(t)
	path := sealedFile(t, identity)
	cache := rkage.Cache(ring.FileCache(path), identity.Recipient(), identity)
	keys := keep(t, &store{}, ring.WithCache(cache))
	if got := secret(t, keys); got != second {
		t.Error("the current key is not the one that was saved")
	}
	attempt, err := keys.Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !attempt.Next(t.Context(), false) {
		t.Fatal("the previous key is lost")
	}
	attempt.Accepted()
	if attempt.Key().Secret.Expose() != first {
		t.Error("the previous key is not the one that was saved")
	}
}

// F95: no file on the disk, not even a temporary one, contains a key in plain text.
func TestNothingInPlainText(t *testing.T) {
	path := sealedFile(t, newIdentity(t))
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d files, want the cache alone", len(entries))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("age-encryption.org/v1\n")) {
		t.Error("not an age file")
	}
	for _, text := range []string{first, second, "sentinel", `"keys"`, `"secret"`} {
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("the file holds %q", text)
		}
	}
}

// F17, F95: if a cache cannot be decrypted, the ring warns with a typed error that quotes
// nothing. The ring starts from its source and saves the cache again.
func TestUselessCache(t *testing.T) {
	identity := newIdentity(t)
	good, err := os.ReadFile(sealedFile(t, identity))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(good)
	changed[len(changed)-20] ^= 1
	// Cut the file at the end of the header and its nonce, and within the last chunk.
	header := bytes.LastIndex(good, []byte("\n---")) + 1
	header += bytes.IndexByte(good[header:], '\n') + 1
	cases := []struct {
		name     string
		data     []byte
		identity *age.X25519Identity
		want     error
	}{
		{"another identity", good, newIdentity(t), source.ErrDenied},
		{"changed", changed, identity, source.ErrInvalid},
		{"cut in the text", good[:len(good)-1], identity, source.ErrInvalid},
		{"cut after the header", good[:header], identity, source.ErrInvalid},
		{"cut after the nonce", good[:header+16], identity, source.ErrInvalid},
		{"cut in the header", good[:40], identity, source.ErrInvalid},
		{"empty", nil, identity, source.ErrInvalid},
		{"appended", append(bytes.Clone(good), 'x'), identity, source.ErrInvalid},
		{"plain text", []byte(`{"format":1,"source":"store","keys":[{"secret":"` + first + `"}]}`), identity, source.ErrInvalid},
		{"plain text after the intro", []byte("age-encryption.org/v1\n-> " + first + "\n"), identity, source.ErrInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.age")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			cache := rkage.Cache(ring.FileCache(path), c.identity.Recipient(), c.identity)
			w := &warnings{seen: make(chan struct{}, 1)}
			keys := keep(t, &store{key: second}, ring.WithCache(cache), ring.WithObserver(w.observe))
			if secret(t, keys) != second {
				t.Error("the ring did not start from its source")
			}
			<-w.seen
			w.mu.Lock()
			got := w.errs[0]
			w.mu.Unlock()
			if !errors.Is(got, c.want) {
				t.Errorf("warning %v, want %v", got, c.want)
			}
			if c.want == source.ErrDenied && !errors.Is(got, age.ErrIncorrectIdentity) {
				t.Errorf("warning %v does not match the library's error", got)
			}
			if strings.Contains(got.Error(), "sentinel") {
				t.Error("the warning quotes the file")
			}
			if err := keys.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := cache.Load(t.Context()); err != nil {
				t.Errorf("after the ring saved anew: %v", err)
			}
		})
	}
}

// A ring treats a missing file as no error, so Load must return that error unchanged.
func TestMissingCacheStaysMissing(t *testing.T) {
	identity := newIdentity(t)
	cache := rkage.Cache(ring.FileCache(filepath.Join(t.TempDir(), "none")), identity.Recipient(), identity)
	if _, err := cache.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load: %v, want fs.ErrNotExist", err)
	}
}

// F109
func TestNilArguments(t *testing.T) {
	identity := newIdentity(t)
	inner := ring.FileCache(filepath.Join(t.TempDir(), "keys.age"))
	for _, cache := range []ring.Cache{
		rkage.Cache(nil, identity.Recipient(), identity),
		rkage.Cache(inner, nil, identity),
		rkage.Cache(inner, identity.Recipient(), nil),
	} {
		if err := cache.Save(t.Context(), []byte("x")); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("Save: %v", err)
		}
		if _, err := cache.Load(t.Context()); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("Load: %v", err)
		}
	}
}
