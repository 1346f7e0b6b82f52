package etcdtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/etcd"
	"github.com/rollingkeys/rollingkeys/source/etcd/internal/etcdtest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// harness returns the suite's backend, which is the shared server behind a proxy.
func harness(document bool) conformance.SourceHarness {
	h := conformance.SourceHarness{
		Lists: document,
		Skip:  map[string]string{"Denied": "TestPermission has a server with logins"},
		New: func(t testing.TB) conformance.SourceBackend {
			proxy := proxy.New(t, shared.Addr)
			name := keyOf(t)
			var opts []etcd.Option
			if document {
				opts = append(opts, etcd.WithDecoder(source.Document))
			}
			write := func(keys ...source.Key) {
				value := ""
				switch {
				case document:
					data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
					if err != nil {
						t.Fatal(err)
					}
					value = string(data)
				case len(keys) > 0:
					value = keys[0].Secret.Expose()
				}
				put(t, shared.Client, name, value)
			}
			return conformance.SourceBackend{
				Source: etcd.New(dial(t, proxy.Addr), name, opts...),
				Put:    func(keys ...source.Key) { proxy.Start(); write(keys...) },
				Delete: func() {
					if _, err := shared.Client.Delete(context.Background(), name); err != nil {
						t.Fatal(err)
					}
				},
				Break:  proxy.Stop,
				Hang:   proxy.Hang,
				Repair: proxy.Start,
				Tear: func(next source.Key) {
					data, err := source.EncodeDocument(source.Set{Keys: []source.Key{next}, Complete: true})
					if err != nil {
						t.Fatal(err)
					}
					put(t, shared.Client, name, string(data[:len(data)/2]))
				},
			}
		},
	}
	if document {
		h.Key = func(n int) source.Key {
			key := conformance.NewKey(n)
			key.ID = "id-" + key.Version
			return key
		}
	} else {
		h.Skip["Torn"] = "a put is atomic, and half of a token looks like a token"
	}
	return h
}

// F01, F04, F07, F14, F16, F71, F75, F78, F95, F104: one token, and a key document.
func TestConformance(t *testing.T) {
	t.Run("Token", func(t *testing.T) { conformance.TestSource(t, harness(false)) })
	t.Run("Document", func(t *testing.T) { conformance.TestSource(t, harness(true)) })
}

// F75, F77, F88, F92: after each way to lose a watch, the source watches again and misses no
// change.
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Absent: map[string]string{"pending version": "a value that is one token has no date: TestDocumentLife"},
		More:   []string{"refused"},
		Open: func(t *testing.T) storetest.Store {
			s := secured(t)
			between := proxy.New(t, s.Addr)
			put := func(text string) { put(t, s.root, "k", text) }
			restart := func() { s.Restart(t) }
			return storetest.Store{
				Source: s.source(t, between.Addr),
				Put:    func(n int) { put(conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.Kill, Mend: restart, Want: source.ErrUnavailable},
					"connection reset":            {Begin: between.Reset, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"refused":                     {Begin: between.Stop, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"no answer":                   {Begin: between.Hang, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"slow answers":                {Begin: func() { between.Slow(200) }, Mend: between.Start, Uses: 3},
					"permission revoked":          {Begin: s.revoke, Mend: s.grant, Want: source.ErrDenied, Missed: true},
					"token expired":               {Begin: func() { s.Kill(); restart() }}, // the server keeps its tokens in memory only
					"secret deleted": {Begin: func() {
						_, err := s.root.Delete(context.Background(), "k")
						s.must(err)
					}, Want: source.ErrNoKey},
					"rollback":      {Begin: func() { put(conformance.NewKey(1).Secret.Expose()) }, Uses: 1},
					"empty version": {Begin: func() { put("") }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

// F16: a version is named by the revision at which the source first saw the content.
func TestVersionIsTheRevision(t *testing.T) {
	name := keyOf(t)
	first := put(t, shared.Client, name, "first")
	src := etcd.New(shared.Client, name)
	version := func(src source.Source) string {
		t.Helper()
		set, err := src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return set.Keys[0].Version
	}
	if got := version(src); got != strconv.FormatInt(first, 10) {
		t.Errorf("version %s, want revision %d", got, first)
	}
	put(t, shared.Client, name, "first")
	if got := version(src); got != strconv.FormatInt(first, 10) {
		t.Errorf("version %s after the same value was put again, want %d", got, first)
	}
	second := put(t, shared.Client, name, "second")
	for _, src := range []source.Source{src, etcd.New(shared.Client, name)} {
		if got := version(src); got != strconv.FormatInt(second, 10) {
			t.Errorf("version %s, want revision %d", got, second)
		}
	}
}

// F92, F102: a document has a revoked and a pending key, and no longer lists another.
func TestDocumentLife(t *testing.T) {
	name := keyOf(t)
	document := func(keys string) { put(t, shared.Client, name, `{"keys":[`+keys+`]}`) }
	document(`{"version":"v1","secret":"first"}`)
	live, _ := storetest.Keep(t, etcd.New(shared.Client, name, etcd.WithDecoder(source.Document)))
	storetest.Requests(t, live)
	document(`{"version":"v2","secret":"second","status":"pending"},{"version":"v1","secret":"first"}`)
	if err := live.Refresh(t.Context()); err != nil || live.Version() != "v1" {
		t.Errorf("%v, %s in use while v2 is pending", err, live.Version())
	}
	document(`{"version":"v2","secret":"second"},{"version":"v1","secret":"first"}`)
	storetest.Eventually(t, "v2", func() bool { return live.Version() == "v2" })
	document(`{"version":"v2","status":"revoked"},{"version":"v1","secret":"first"}`)
	storetest.Eventually(t, "v1 when v2 is revoked", func() bool { return live.Version() == "v1" })
}

// F11: the revisions that a watch has missed are compacted before it can continue.
func TestCompactedWhileAway(t *testing.T) {
	name := keyOf(t)
	key := func(n int) string { return conformance.NewKey(n).Secret.Expose() }
	put(t, shared.Client, name, key(1))
	proxy := proxy.New(t, shared.Addr)
	keys, _ := storetest.Keep(t, etcd.New(dial(t, proxy.Addr), name))
	storetest.Requests(t, keys)
	put(t, shared.Client, name, key(2))
	storetest.Uses(t, keys, 2)

	proxy.Stop()
	put(t, shared.Client, name, key(3))
	revision := put(t, shared.Client, name, key(4))
	if _, err := shared.Client.Compact(t.Context(), revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	proxy.Start()
	storetest.Uses(t, keys, 4)
	put(t, shared.Client, name, key(5))
	storetest.Uses(t, keys, 5)
}

// The etcd key disappears when its lease ends. The ring keeps the last good API key.
func TestLeaseEnds(t *testing.T) {
	name := keyOf(t)
	lease, err := shared.Client.Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Client.Put(t.Context(), name, "leased", clientv3.WithLease(lease.ID)); err != nil {
		t.Fatal(err)
	}
	keys, _ := storetest.Keep(t, etcd.New(shared.Client, name))
	storetest.Requests(t, keys)
	if _, err := shared.Client.Revoke(t.Context(), lease.ID); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "a failed reading", func() bool { return keys.Status().LastError != "" })
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("Refresh: %v", err)
	}
	put(t, shared.Client, name, conformance.NewKey(2).Secret.Expose())
	storetest.Uses(t, keys, 2)
}

func BenchmarkRotation(b *testing.B) {
	name := "keys/" + url.PathEscape(b.Name())
	storetest.Rotation(b, etcd.New(shared.Client, name), func(n int) {
		put(b, shared.Client, name, conformance.NewKey(n).Secret.Expose())
	})
}

func Example() {
	server, err := etcdtest.Start()
	if err != nil {
		panic(err)
	}
	defer server.Stop()
	ctx := context.Background()
	put := func(value string) {
		if _, err := server.Client.Put(ctx, "keys/exchange", value); err != nil {
			panic(err)
		}
	}
	put("first-key")

	switched := make(chan string, 2)
	keys, err := ring.Open(ctx, "etcd://"+server.Addr+"?key=keys/exchange&overlap=1h", ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
		if e.Kind == ring.Switched {
			switched <- e.Version
		}
	}))
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	fmt.Println("revision", <-switched)
	put("second-key")
	fmt.Println("revision", <-switched)
	// Output:
	// revision 2
	// revision 3
}
