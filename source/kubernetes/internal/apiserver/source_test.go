//go:build apiserver

package apiserver_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// stays checks that the n-th key is in use.
func stays(t *testing.T, keys *ring.Ring, n int) {
	t.Helper()
	if key, err := keys.InUse(); err != nil || !key.SameContent(conformance.NewKey(n)) {
		t.Errorf("key %d is not in use: %v", n, err)
	}
}

// F16: the versions are the API's. Neither a label nor an update that came too late (409) is
// a rotation.
func TestRotated(t *testing.T) {
	b := newBot(t)
	keys, _ := b.keep()
	api := shared.Admin.CoreV1().Secrets(b.namespace)
	late, err := api.Get(t.Context(), "exchange", metav1.GetOptions{})
	b.must(err)

	version := b.put(3)
	storetest.Uses(t, keys, 3)
	if got := keys.Version(); got != version {
		t.Errorf("version %q, want resourceVersion %q", got, version)
	}

	late.Data["token"] = []byte(conformance.NewKey(4).Secret.Expose())
	if _, err := api.Update(t.Context(), late, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Fatalf("an update from an old resourceVersion: %v", err)
	}
	var labelled string
	b.must(b.change(func(s *corev1.Secret) { s.Labels = map[string]string{"team": "trading"} }, &labelled))
	b.must(keys.Refresh(t.Context()))
	stays(t, keys, 3)
	if keys.Version() != version || labelled == version {
		t.Errorf("version %q after a label, want %q", keys.Version(), version)
	}

	b.put(4)
	storetest.Uses(t, keys, 4)
}

// F17, F95: the bot's role allows neither list nor another Secret. A client without an
// account is refused.
func TestDenied(t *testing.T) {
	b := newBot(t)
	b.put(1)
	storetest.Keep(t, b.parse(shared.Addr, "exchange")) // after this the role is in effect
	if _, err := b.parse(shared.Addr, "another").Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("another Secret: %v", err)
	}
	b.must(os.WriteFile(b.token, []byte("unknown"), 0o600))
	_, err := b.parse(shared.Addr, "exchange").Read(t.Context())
	if !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "unknown") {
		t.Errorf("an unknown token: %v", err)
	}
}

// F17, F95: a permission is revoked and restored. An open watch goes on, and the readings
// that it causes are refused.
func TestRevokedAndRestored(t *testing.T) {
	b := newBot(t)
	keys, said := b.keep()
	b.revoke()
	storetest.Eventually(t, "a refused reading", func() bool { return errors.Is(keys.Refresh(t.Context()), source.ErrDenied) })
	b.put(3)
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Refresh: %v", err)
	}
	stays(t, keys, 2)
	b.grant()
	storetest.Uses(t, keys, 3)
	b.put(4)
	storetest.Uses(t, keys, 4)
	if strings.Contains(said(), conformance.Sentinel) {
		t.Error("an event holds a secret")
	}
}

// F17, F75: the server restarts while the permission is revoked. The watch is lost, and a new
// one is refused.
func TestRestartedWithoutPermission(t *testing.T) {
	b := newBot(t)
	keys, said := b.keep()
	b.revoke()
	b.must(shared.Restart())
	refused := "no notification, polling only: source: kubernetes:///" + b.namespace + "/exchange: source denies access"
	storetest.Eventually(t, "a refused watch", func() bool { return strings.Contains(said(), refused) })
	b.put(3)
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Refresh: %v", err)
	}
	stays(t, keys, 2)
	b.grant()
	storetest.Uses(t, keys, 3)
	b.put(4)
	storetest.Uses(t, keys, 4)
}

// F07: the Secret is deleted and created again.
func TestDeletedAndRecreated(t *testing.T) {
	b := newBot(t)
	keys, _ := b.keep()
	b.must(shared.Admin.CoreV1().Secrets(b.namespace).Delete(t.Context(), "exchange", metav1.DeleteOptions{}))
	storetest.Eventually(t, "a failed reading", func() bool { return keys.Status().LastError != "" })
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("Refresh: %v", err)
	}
	stays(t, keys, 2)
	b.put(3)
	storetest.Uses(t, keys, 3)
	b.put(4)
	storetest.Uses(t, keys, 4)
}

// F75, F77, F95: after each way to lose a watch, such as the end of the server, the source
// watches again and misses no change.
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Absent: map[string]string{
			"pending version": "a Secret has no versions",
			"token expired":   "a kubeconfig's token file is read again each minute: TestDenied",
		},
		More: []string{"refused"},
		Open: func(t *testing.T) storetest.Store {
			b := newBot(t)
			between := proxy.New(t, shared.Addr)
			text := func(text string) func(*corev1.Secret) {
				return func(s *corev1.Secret) { s.Data = map[string][]byte{"token": []byte(text)} }
			}
			return storetest.Store{
				Source: b.parse(between.Addr, "exchange"),
				Put:    func(n int) { b.put(n) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: shared.Kill, Mend: func() { b.must(shared.Restart()) }, Want: source.ErrUnavailable},
					"connection reset":            {Begin: between.Reset, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"refused":                     {Begin: between.Stop, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"no answer":                   {Begin: between.Hang, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"slow answers":                {Begin: func() { between.Slow(200) }, Mend: between.Start, Uses: 3},
					"permission revoked":          {Begin: b.revoke, Mend: b.grant, Want: source.ErrDenied, Missed: true},
					"secret deleted": {Begin: func() {
						b.must(shared.Admin.CoreV1().Secrets(b.namespace).Delete(context.Background(), "exchange", metav1.DeleteOptions{}))
					}, Want: source.ErrNoKey},
					"rollback":      {Begin: func() { b.put(1) }, Uses: 1},
					"empty version": {Begin: func() { b.must(b.change(text(""), new(string))) }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

func BenchmarkRotation(b *testing.B) {
	bot := newBot(b)
	storetest.Rotation(b, bot.parse(shared.Addr, "exchange"), func(n int) { bot.put(n) })
}
