package etcdtest_test

import (
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

// F17, F88: a login whose permission is revoked and restored, whose token the
// server has forgotten, and whose password is changed while the source runs.
func TestPermission(t *testing.T) {
	server, err := etcdtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	ctx, admin := t.Context(), server.Client
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(admin.RoleAdd(ctx, "root"))
	must(admin.UserAdd(ctx, "root", "root"))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.RoleAdd(ctx, "reader"))
	must(admin.UserAdd(ctx, "bot", "one"))
	must(admin.UserGrantRole(ctx, "bot", "reader"))
	must(admin.AuthEnable(ctx))
	root, err := clientv3.New(clientv3.Config{
		Endpoints: []string{server.Addr}, Username: "root", Password: "root", Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	put := func(n int) { t.Helper(); put(t, root, "k", conformance.NewKey(n).Secret.Expose()) }
	grant := func() {
		t.Helper()
		must(root.RoleGrantPermission(ctx, "reader", "k", "", clientv3.PermissionType(clientv3.PermRead)))
	}
	password := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	src, _, err := source.Parse("etcd://" + server.Addr + "?key=k&username=bot&password_file=" + url.QueryEscape(password))
	if err != nil {
		t.Fatal(err)
	}

	put(1)
	if _, err := src.Read(ctx); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Read without permission: %v", err)
	}
	grant()
	ring, _ := storetest.Keep(t, src)
	storetest.Requests(t, ring)
	put(2)
	storetest.Uses(t, ring, 2)

	must(root.RoleRevokePermission(ctx, "reader", "k", ""))
	if err := ring.Refresh(ctx); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Refresh with the permission revoked: %v", err)
	}
	grant()
	put(3)
	storetest.Uses(t, ring, 3)

	server.Kill() // it keeps its tokens in memory only
	server.Restart(t)
	put(4)
	storetest.Uses(t, ring, 4)

	must(root.UserChangePassword(ctx, "bot", "two"))
	write("two")
	storetest.Eventually(t, "a reading with the new password", func() bool { return ring.Refresh(ctx) == nil })
	put(5)
	storetest.Uses(t, ring, 5)
}
