package vault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/source/vault"
)

func token(n string) map[string]any { return map[string]any{"secret": conformance.Sentinel + n} }

// F92: a deleted or destroyed version is never used. The ring follows an undelete and a
// rollback.
func TestServesLiveVersionsOnly(t *testing.T) {
	s := newStore(t)
	src := s.source()
	for n := range 12 {
		s.write(token(string(rune('a' + n))))
	}
	storetest.Read(t, src, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3) // KV keeps ten by default, and the source lists ten
	s.must(s.kv.DeleteVersions(t.Context(), "key", []int{3, 4, 5, 6, 7, 8, 11}))
	storetest.Read(t, src, 12, 10, 9)
	s.must(s.kv.Destroy(t.Context(), "key", []int{12}))
	storetest.Read(t, src, 10, 9)
	s.must(s.kv.Undelete(t.Context(), "key", []int{11}))
	storetest.Read(t, src, 11, 10, 9)
	if _, err := s.kv.Rollback(t.Context(), "key", 9); err != nil { // a rollback writes the data as a new version
		t.Fatal(err)
	}
	set := storetest.Read(t, src, 13, 11, 10, 9)
	if !set.Keys[0].SameContent(set.Keys[3]) || !set.Keys[0].CreatedAt.After(set.Keys[1].CreatedAt) {
		t.Error("version 13 is not version 9 again")
	}
	s.must(s.kv.DeleteVersions(t.Context(), "key", []int{9, 10, 11, 13}))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("every version is deleted: %v", err)
	}
}

func TestTakesDatesAndScopesFromMetadata(t *testing.T) {
	s := newStore(t)
	src := s.source()
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	s.custom(map[string]any{ // before the version is written
		"v2.not_before": at.Format(time.RFC3339), "v2.scopes": "read  trade", "v1.expires_at": at.Add(time.Hour).Format(time.RFC3339),
		"owner": "payments",
	})
	s.write(token("1"))
	s.write(token("2"))
	set := storetest.Read(t, src, 2, 1)
	next, now := set.Keys[0], set.Keys[1]
	if !next.NotBefore.Equal(at) || !next.ExpiresAt.IsZero() || !slices.Equal(next.Scopes, []string{"read", "trade"}) {
		t.Errorf("version 2: %+v", next)
	}
	if !now.ExpiresAt.Equal(at.Add(time.Hour)) || !now.NotBefore.IsZero() || now.Scopes != nil {
		t.Errorf("version 1: %+v", now)
	}
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if v := keys.Version(); v != "1" {
		t.Errorf("%q is in use before the time of version 2", v)
	}
	s.custom(map[string]any{"v1.expires_at": at.Format(time.RFC3339)}) // version 2 may be used from now on
	if err := keys.Refresh(t.Context()); err != nil || keys.Version() != "2" {
		t.Errorf("%q is in use, error %v", keys.Version(), err)
	}

	s.custom(map[string]any{"v2.not_before": "tomorrow"})
	set = storetest.Read(t, src, 1)
	if len(set.Warnings) != 1 || !errors.Is(set.Warnings[0], source.ErrInvalid) || strings.Contains(set.Warnings[0].Error(), "tomorrow") {
		t.Errorf("warnings: %v", set.Warnings)
	}
	s.custom(map[string]any{"v2.not_before": 5, "v1.expires_at": "never"})
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no version with times that can be read: %v", err)
	}
}

// If a deletion time is in the future, the version expires then.
func TestDeleteVersionAfterIsExpiry(t *testing.T) {
	s := newStore(t)
	src := s.source()
	s.must(s.kv.PutMetadata(t.Context(), "key", api.KVMetadataPutInput{DeleteVersionAfter: time.Hour}))
	s.write(token("1"))
	key := storetest.Read(t, src, 1).Keys[0]
	if age := key.ExpiresAt.Sub(key.CreatedAt); age != time.Hour {
		t.Errorf("expires after %v", age)
	}
	at := key.CreatedAt.Add(time.Minute).UTC().Truncate(time.Second)
	s.must(s.kv.PutMetadata(t.Context(), "key", api.KVMetadataPutInput{
		DeleteVersionAfter: time.Hour, CustomMetadata: map[string]any{"v1.expires_at": at.Format(time.RFC3339)},
	}))
	if key := storetest.Read(t, src, 1).Keys[0]; !key.ExpiresAt.Equal(at) {
		t.Errorf("expires at %v, want the earlier of the two, %v", key.ExpiresAt, at)
	}
}

// A poll requests the metadata alone. The data of each version is requested once.
func TestReadsEachVersionOnce(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	src, err := vault.New(g.client(), "secret", "key")
	s.must(err)
	s.write(token("1"))
	storetest.Read(t, src, 1)
	storetest.Read(t, src, 1)
	s.write(token("2"))
	storetest.Read(t, src, 2, 1)
	storetest.Read(t, src, 2, 1)
	if m, d := g.count("/v1/secret/metadata/key"), g.count("/v1/secret/data/key"); m != 4 || d != 2 {
		t.Errorf("%d metadata, %d data, want 4 and 2", m, d)
	}
}

// F91: if a secret is deleted with all versions and created again, its numbers start again.
func TestNoticesASecretMadeAnew(t *testing.T) {
	s := newStore(t)
	src := s.source()
	s.write(token("1"))
	storetest.Read(t, src, 1)
	s.delete()
	s.write(token("other"))
	if set := storetest.Read(t, src, 1); set.Keys[0].Secret.Expose() != conformance.Sentinel+"other" {
		t.Error("the old secret's value is served")
	}
}

// F83, F92
func TestLeavesOutWhatIsNoKey(t *testing.T) {
	s := newStore(t)
	src := s.source()
	s.write(token("1"))
	for i, data := range []map[string]any{{}, {"secret": ""}, {"secret": 5}, {"other": "x"}, {"secret": "two\nlines"}} {
		s.write(data)
		set := storetest.Read(t, src, 1)
		if len(set.Warnings) != i+1 || !errors.Is(set.Warnings[0], source.ErrInvalid) {
			t.Errorf("%v: warnings: %v", data, set.Warnings)
		}
	}
	s.must(s.kv.DeleteVersions(t.Context(), "key", []int{1}))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no good version at all: %v", err)
	}
}

func TestDecodesFieldsAndDocuments(t *testing.T) {
	s := newStore(t)
	s.write(map[string]any{"user": "id-1", "pass": "sentinel-s-1", "word": "sentinel-w-1", "port": 5432})
	key := storetest.Read(t, s.source(vault.WithNames("user", "pass", "word")), 1).Keys[0]
	if key.ID != "id-1" || key.Secret.Expose() != "sentinel-s-1" || key.Extra["passphrase"].Expose() != "sentinel-w-1" {
		t.Errorf("fields: %+v", key)
	}
	s.write(map[string]any{"keys": []any{
		map[string]any{"version": "8", "secret": "sentinel-s-8"}, map[string]any{"version": "7", "secret": "sentinel-s-7"},
	}})
	document := s.source(vault.WithDecoder(source.Document))
	storetest.Read(t, document, 8, 7)
	s.write(map[string]any{"keys": "torn"}) // F90: the older document must not be used instead
	if _, err := document.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a bad document: %v", err)
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	s := newStore(t)
	for _, at := range [][2]string{{"", "key"}, {"secret", ""}, {"/", "/"}} {
		if _, err := vault.New(s.client, at[0], at[1]); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: %v", at, err)
		}
	}
	if _, err := vault.New(nil, "secret", "key"); !errors.Is(err, source.ErrInvalid) { // F109
		t.Errorf("no client: %v", err)
	}
}
