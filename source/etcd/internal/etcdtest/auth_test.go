package etcdtest_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/etcd/internal/etcdtest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// A login is a server with two users: root, and the source's user bot, which may read k.
type login struct {
	*etcdtest.Server
	t        testing.TB
	root     *clientv3.Client
	password string // the file with bot's password
}

func secured(t testing.TB) *login {
	t.Helper()
	server, err := etcdtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	s := &login{Server: server, t: t, password: filepath.Join(t.TempDir(), "password")}
	ctx, admin := context.Background(), server.Client
	do := func(_ any, err error) { t.Helper(); s.must(err) }
	do(admin.RoleAdd(ctx, "root"))
	do(admin.UserAdd(ctx, "root", "root"))
	do(admin.UserGrantRole(ctx, "root", "root"))
	do(admin.RoleAdd(ctx, "reader"))
	do(admin.UserAdd(ctx, "bot", "one"))
	do(admin.UserGrantRole(ctx, "bot", "reader"))
	do(admin.AuthEnable(ctx))
	s.root, err = clientv3.New(clientv3.Config{Endpoints: []string{server.Addr}, Username: "root", Password: "root", Logger: zap.NewNop()})
	s.must(err)
	t.Cleanup(func() { _ = s.root.Close() })
	s.write("one")
	s.grant()
	return s
}

func (s *login) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *login) write(password string) {
	s.t.Helper()
	s.must(os.WriteFile(s.password, []byte(password), 0o600))
}

func (s *login) grant() {
	s.t.Helper()
	_, err := s.root.RoleGrantPermission(context.Background(), "reader", "k", "", clientv3.PermissionType(clientv3.PermRead))
	s.must(err)
}

func (s *login) revoke() {
	s.t.Helper()
	_, err := s.root.RoleRevokePermission(context.Background(), "reader", "k", "")
	s.must(err)
}

// source returns a source that logs in as bot to the server or proxy at addr.
func (s *login) source(t testing.TB, addr string) source.Source {
	t.Helper()
	src, _, err := source.Parse("etcd://" + addr + "?key=k&username=bot&password_file=" + url.QueryEscape(s.password))
	s.must(err)
	return src
}

// F17, F88: a user has no permission, and the password of a user changes while the source is
// in use.
func TestPermission(t *testing.T) {
	s := secured(t)
	src := s.source(t, s.Addr)
	rotate := func(n int) { t.Helper(); put(t, s.root, "k", conformance.NewKey(n).Secret.Expose()) }
	s.revoke()
	rotate(1)
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Read without permission: %v", err)
	}
	s.grant()
	ring, _ := storetest.Keep(t, src)
	storetest.Requests(t, ring)
	rotate(2)
	storetest.Uses(t, ring, 2)
	_, err := s.root.UserChangePassword(t.Context(), "bot", "two")
	s.must(err)
	s.write("two")
	storetest.Eventually(t, "a reading with the new password", func() bool { return ring.Refresh(t.Context()) == nil })
	rotate(3)
	storetest.Uses(t, ring, 3)
}
