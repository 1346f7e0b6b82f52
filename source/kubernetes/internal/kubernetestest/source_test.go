package kubernetestest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	_ "github.com/rollingkeys/rollingkeys/source/kubernetes"
	"github.com/rollingkeys/rollingkeys/source/kubernetes/internal/kubernetestest"
)

// F104
func TestMain(m *testing.M) { proxy.VerifyTestMain(m) }

func start(t testing.TB) *kubernetestest.Server {
	t.Helper()
	s, err := kubernetestest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// parse opens the source string of a Secret's field, with a kubeconfig for the server or
// proxy at addr.
func parse(t testing.TB, addr string) source.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"test",
		"clusters":[{"name":"test","cluster":{"server":"http://` + addr + `"}}],
		"users":[{"name":"test","user":{}}],
		"contexts":[{"name":"test","context":{"cluster":"test","user":"test"}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	src, _, err := source.Parse("kubernetes:///default/exchange?field=token&kubeconfig=" + path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func token(key source.Key) map[string][]byte {
	return map[string][]byte{"token": []byte(key.Secret.Expose())}
}

// F75, F77: after each way to lose a watch, the source watches again and misses no change.
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Absent: map[string]string{
			"pending version": "a Secret has no versions",
			"token expired":   "a kubeconfig's token file is read again each minute: make test-kubernetes, TestDenied",
		},
		More: []string{"refused"},
		Open: func(t *testing.T) storetest.Store {
			s := start(t)
			between := proxy.New(t, s.Addr)
			return storetest.Store{
				Source: parse(t, between.Addr),
				Put:    func(n int) { s.Put(token(conformance.NewKey(n))) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.Kill, Mend: func() {
						if err := s.Restart(); err != nil {
							t.Fatal(err)
						}
					}, Want: source.ErrUnavailable},
					"connection reset":   {Begin: between.Reset, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"refused":            {Begin: between.Stop, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"no answer":          {Begin: between.Hang, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"slow answers":       {Begin: func() { between.Slow(200) }, Mend: between.Start, Uses: 3},
					"permission revoked": {Begin: func() { s.Deny(true) }, Mend: func() { s.Deny(false) }, Want: source.ErrDenied, Missed: true},
					"secret deleted":     {Begin: s.Delete, Want: source.ErrNoKey},
					"rollback":           {Begin: func() { s.Put(token(conformance.NewKey(1))) }, Uses: 1},
					"empty version":      {Begin: func() { s.Put(nil) }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

// F11: the server forgets the versions that a watch has missed before the watch can continue.
func TestExpiredWhileAway(t *testing.T) {
	s := start(t)
	proxy := proxy.New(t, s.Addr)
	s.Put(token(conformance.NewKey(1)))
	ring, _ := storetest.Keep(t, parse(t, proxy.Addr))
	storetest.Requests(t, ring)
	s.Put(token(conformance.NewKey(2)))
	storetest.Uses(t, ring, 2)
	proxy.Stop()
	s.Put(token(conformance.NewKey(3)))
	s.Put(token(conformance.NewKey(4)))
	s.Compact()
	proxy.Start()
	storetest.Uses(t, ring, 4)
	s.Put(token(conformance.NewKey(5)))
	storetest.Uses(t, ring, 5)
}

func BenchmarkRotation(b *testing.B) {
	s := start(b)
	storetest.Rotation(b, parse(b, s.Addr), func(n int) { s.Put(token(conformance.NewKey(n))) })
}
