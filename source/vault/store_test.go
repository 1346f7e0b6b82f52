package vault_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/vault"
	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

// A store is one secret of a real Vault, which the test can change.
type store struct {
	*vaulttest.Server
	testing.TB
	root    *api.Client
	client  *api.Client // the source's: a token of its own, with the policy "reader"
	kv      *api.KVv2
	written []string // the names of the versions in put, by number
}

const nothing = `path "secret/data/other" { capabilities = ["read"] }`

const polls = `
path "secret/data/key" { capabilities = ["read"] }
path "secret/metadata/key" { capabilities = ["read"] }`

const reader = polls + `
path "sys/events/subscribe/kv-v2/*" { capabilities = ["read"] }`

func newStore(t testing.TB) *store {
	t.Helper()
	s := &store{Server: vaulttest.Start(t), TB: t}
	s.root = vaulttest.Client(t, s.Address, s.Token, &http.Transport{})
	s.kv = s.root.KVv2("secret")
	s.allow(reader)
	s.client = vaulttest.Client(t, s.Address, s.token(&api.TokenCreateRequest{Policies: []string{"reader"}}), &http.Transport{})
	return s
}

func (s *store) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *store) allow(policy string) {
	s.Helper()
	s.must(s.root.Sys().PutPolicyWithContext(context.Background(), "reader", policy))
}

func (s *store) token(r *api.TokenCreateRequest) string {
	s.Helper()
	secret, err := s.root.Auth().Token().Create(r)
	s.must(err)
	return secret.Auth.ClientToken
}

// source returns the source under test.
func (s *store) source(opts ...vault.Option) *vault.Source {
	s.Helper()
	src, err := vault.New(s.client, "secret", "key", opts...)
	s.must(err)
	return src
}

// write writes a version and returns its number.
func (s *store) write(data map[string]any) int {
	s.Helper()
	secret, err := s.kv.Put(context.Background(), "key", data)
	s.must(err)
	return secret.VersionMetadata.Version
}

// put makes these the versions of the secret, newest first. It undeletes the versions that
// were written before, and deletes all others.
func (s *store) put(keys ...source.Key) {
	s.Helper()
	ctx := context.Background()
	for _, key := range slices.Backward(keys) {
		if !slices.Contains(s.written, key.Version) {
			s.write(map[string]any{"secret": key.Secret.Expose()})
			s.written = append(s.written, key.Version)
		}
	}
	if len(s.written) == 0 {
		s.write(nil)
		s.written = append(s.written, "")
	}
	var live, dead []int
	for i, name := range s.written {
		if slices.ContainsFunc(keys, func(k source.Key) bool { return k.Version == name }) {
			live = append(live, i+1)
		} else {
			dead = append(dead, i+1)
		}
	}
	if len(live) > 0 {
		s.must(s.kv.Undelete(ctx, "key", live))
	}
	if len(dead) > 0 {
		s.must(s.kv.DeleteVersions(ctx, "key", dead))
	}
}

func (s *store) delete() {
	s.Helper()
	s.must(s.kv.DeleteMetadata(context.Background(), "key"))
	s.written = nil
}

func (s *store) custom(values map[string]any) {
	s.Helper()
	s.must(s.kv.PutMetadata(context.Background(), "key", api.KVMetadataPutInput{CustomMetadata: values}))
}

// F75, F78, F92, F95, F102-F106: the rules for every source, with a real server.
func TestConformance(t *testing.T) {
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			s := newStore(t)
			held := newGate(t, s)
			src, err := vault.New(held.client(), "secret", "key")
			s.must(err)
			return conformance.SourceBackend{
				Source: src,
				Put: func(keys ...source.Key) {
					held.release()
					s.put(keys...)
				},
				Delete:  s.delete,
				Break:   s.Kill,
				Repair:  func() { held.release(); s.Restart() },
				Hang:    held.hang,
				Deny:    func() { s.allow(nothing) },
				Restore: func() { s.allow(reader) },
				Close:   held.transport.CloseIdleConnections,
			}
		},
		Lists: true,
		Skip: map[string]string{
			"Torn": "a write is atomic",
		},
	})
}
