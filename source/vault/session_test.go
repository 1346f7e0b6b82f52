package vault_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/source/vault"
	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

const login = "/v1/auth/approle/login"

// appRole makes a role. It returns its ID, the file of its secret ID, and a login with both.
func (s *store) appRole(ttl, maxTTL string) (role, secretFile string, method api.AuthMethod) {
	s.Helper()
	_, err := s.root.Logical().Write("auth/approle/role/app", map[string]any{
		"token_policies": "reader", "token_ttl": ttl, "token_max_ttl": maxTTL,
	})
	s.must(err)
	id, err := s.root.Logical().Read("auth/approle/role/app/role-id")
	s.must(err)
	secret, err := s.root.Logical().Write("auth/approle/role/app/secret-id", nil)
	s.must(err)
	secretFile = filepath.Join(s.TempDir(), "secret-id")
	s.must(os.WriteFile(secretFile, []byte(secret.Data["secret_id"].(string)), 0o600))
	role = id.Data["role_id"].(string)
	method, err = approle.NewAppRoleAuth(role, &approle.SecretID{FromFile: secretFile})
	s.must(err)
	return role, secretFile, method
}

func TestLogsInAgainWhenTheTokenIsGone(t *testing.T) { // F88
	s := newStore(t)
	g := newGate(t, s)
	s.write(token("1"))
	_, secretFile, method := s.appRole("1h", "2h")
	src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(method))
	s.must(err)
	storetest.Read(t, src, 1)
	storetest.Read(t, src, 1)
	if n := g.count(login); n != 1 {
		t.Fatalf("%d logins, want 1", n)
	}
	revoke := func() {
		_, err := s.root.Logical().Write("sys/leases/revoke-prefix/auth/approle/login", nil)
		s.must(err)
	}
	revoke()
	s.write(token("2"))
	storetest.Read(t, src, 2, 1)
	if n := g.count(login); n != 2 {
		t.Fatalf("%d logins, want 2", n)
	}

	// If a policy refuses the token, the source must not get another.
	s.allow(nothing)
	for range 3 {
		if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
			t.Fatalf("without permission: %v", err)
		}
	}
	if n := g.count(login); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	s.allow(reader)
	storetest.Read(t, src, 2, 1)

	revoke()
	s.must(os.WriteFile(secretFile, []byte("another"), 0o600))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("with a secret id that is unknown: %v", err)
	}
	s.must(os.Remove(secretFile))
	if _, err := src.Read(t.Context()); err == nil {
		t.Error("read without a secret id")
	}
}

// The token's lease is much shorter than the test.
func TestRenewsItsToken(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	g.token = s.token(&api.TokenCreateRequest{Policies: []string{"reader"}, TTL: "3s"})
	s.write(token("1"))
	src, err := vault.New(g.client(), "secret", "key")
	s.must(err)
	if set := storetest.Read(t, src, 1); set.FreshFor <= 0 || set.FreshFor > time.Second {
		t.Errorf("FreshFor is %v with a lease of 3 s", set.FreshFor)
	}
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	s.must(err)
	defer keys.Close()
	storetest.Eventually(t, "the third renewal", func() bool { return g.count("/v1/auth/token/renew-self") >= 3 })
	if status := keys.Status(); status.FailedReads > 0 {
		t.Errorf("%d readings failed: %s", status.FailedReads, status.LastError)
	}
	if n := g.count("/v1/auth/token/lookup-self"); n != 1 {
		t.Errorf("%d look-ups, want 1", n)
	}
}

func TestLogsInAnewNearTheMaximumLifetime(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	s.write(token("1"))
	_, _, method := s.appRole("3s", "4s")
	src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(method))
	s.must(err)
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	s.must(err)
	defer keys.Close()
	storetest.Eventually(t, "the third login", func() bool { return g.count(login) >= 3 })
	if n := g.count("/v1/auth/token/lookup-self"); n > 0 {
		t.Errorf("%d times a token was refused before there was another", n)
	}
	if status := keys.Status(); status.FailedReads > 0 {
		t.Errorf("%d readings failed: %s", status.FailedReads, status.LastError)
	}
}

// F75, F88: if the token is revoked, the ring keeps its keys. With another token it reads again.
func TestTokenThatCannotBeRenewed(t *testing.T) {
	s := newStore(t)
	s.write(token("1"))
	short := &api.TokenCreateRequest{Policies: []string{"reader"}, TTL: "1s", ExplicitMaxTTL: "1s"}
	file := filepath.Join(t.TempDir(), "token")
	s.must(os.WriteFile(file, []byte(s.token(short)+"\n"), 0o600))
	src := s.source(vault.WithLogin(vault.TokenFile(file)))
	keys, _ := storetest.Keep(t, src, ring.WithPoll(time.Second))
	storetest.Requests(t, keys)
	storetest.Eventually(t, "a refusal", func() bool { return errors.Is(keys.Refresh(t.Context()), source.ErrDenied) })
	s.must(os.WriteFile(file, []byte(s.token(&api.TokenCreateRequest{Policies: []string{"reader"}})+"\n"), 0o600))
	s.write(token("2"))
	storetest.Eventually(t, "version 2", func() bool { return keys.Version() == "2" })

	for name, text := range map[string]string{"empty": "", "blank": " \n"} {
		s.must(os.WriteFile(file, []byte(text), 0o600))
		if _, err := s.source(vault.WithLogin(vault.TokenFile(file))).Read(t.Context()); !errors.Is(err, source.ErrDenied) {
			t.Errorf("%s token file: %v", name, err)
		}
	}
	if _, err := s.source(vault.WithLogin(vault.TokenFile(file + ".none"))).Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("no token file: %v", err)
	}
	client := vaulttest.Client(t, s.Address, "", &http.Transport{})
	bare, err := vault.New(client, "secret", "key")
	s.must(err)
	if _, err := bare.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("no token at all: %v", err)
	}
}

// Concurrent readings share one login.
func TestLogsInOnceForAll(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	s.write(token("1"))
	_, _, method := s.appRole("1h", "2h")
	src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(method))
	s.must(err)
	for want := 1; want <= 2; want++ {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := src.Read(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := g.count(login); n != want {
			t.Errorf("%d logins, want %d", n, want)
		}
		_, err := s.root.Logical().Write("sys/leases/revoke-prefix/auth/approle/login", nil)
		s.must(err)
	}
}

// If a login hangs, each reading returns when its context ends.
func TestLoginThatHangs(t *testing.T) { // F87
	s := newStore(t)
	g := newGate(t, s)
	s.write(token("1"))
	_, _, method := s.appRole("1h", "2h")
	src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(method))
	s.must(err)
	g.hang()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 { // one logs in, three wait for it
		wg.Go(func() {
			if _, err := src.Read(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, source.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
	g.release()
	storetest.Read(t, src, 1)
}

// The source does not change the caller's client.
func TestLeavesTheClientAlone(t *testing.T) {
	s := newStore(t)
	s.write(token("1"))
	_, _, method := s.appRole("1h", "2h")
	before, retries := s.client.Token(), s.client.MaxRetries()
	storetest.Read(t, s.source(vault.WithLogin(method)), 1)
	if s.client.Token() != before || s.client.MaxRetries() != retries {
		t.Error("the client has another token, or other retries")
	}
}
