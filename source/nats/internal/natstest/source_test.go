package natstest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	rknats "github.com/rollingkeys/rollingkeys/source/nats"
	"github.com/rollingkeys/rollingkeys/source/nats/internal/natstest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

var buckets atomic.Int64

// harness returns the suite's backend, which is the shared server behind a proxy.
func harness(document bool, history uint8) conformance.SourceHarness {
	h := conformance.SourceHarness{
		Lists: document,
		Skip:  map[string]string{"Denied": "TestPermission has a server with logins"},
		New: func(t testing.TB) conformance.SourceBackend {
			proxy := proxy.New(t, shared.Addr)
			var opts []rknats.Option
			if document {
				opts = append(opts, rknats.WithDecoder(source.Document))
			}
			// Use a new name: the server needs time to remove what a deleted bucket of the
			// same name has left.
			name := fmt.Sprintf("%s_%d", bucketOf(t), buckets.Add(1))
			kv := bucket(t, dial(t, shared.Addr), name, history)
			encode := func(keys ...source.Key) string {
				data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
				if err != nil {
					t.Fatal(err)
				}
				return string(data)
			}
			nc := dial(t, proxy.Addr)
			mend := func() {
				proxy.Start()
				connected(t, nc)
			}
			return conformance.SourceBackend{
				Source: rknats.New(nc, name, "k", opts...),
				Put: func(keys ...source.Key) {
					mend()
					switch {
					case document:
						put(t, kv, encode(keys...))
					case len(keys) > 0:
						put(t, kv, keys[0].Secret.Expose())
					default:
						put(t, kv, "")
					}
				},
				Delete: func() {
					if err := kv.Delete(context.Background(), "k"); err != nil {
						t.Fatal(err)
					}
				},
				Break: proxy.Stop, Hang: proxy.Hang, Repair: mend,
				Tear: func(next source.Key) {
					text := encode(next)
					put(t, kv, text[:len(text)/2])
				},
			}
		},
	}
	if !document {
		h.Skip["Torn"] = "a put is atomic, and half of a token looks like a token"
	}
	if history > 1 {
		h.Skip["Broken"], h.Skip["Hang"] = "as without a history", "as without a history"
	}
	return h
}

// F01, F04, F07, F14, F16, F71, F75, F78, F95, F104: one token, also with a history, and a key
// document.
func TestConformance(t *testing.T) {
	t.Run("Token", func(t *testing.T) { conformance.TestSource(t, harness(false, 1)) })
	t.Run("History", func(t *testing.T) { conformance.TestSource(t, harness(false, 5)) })
	t.Run("Document", func(t *testing.T) { conformance.TestSource(t, harness(true, 1)) })
}

// F75, F77, F88, F92: after each way to lose a watch, the source watches again and misses no
// change.
func TestFaults(t *testing.T) {
	storetest.TestFaults(t, storetest.Table{
		Absent: map[string]string{"pending version": "a value that is one token has no date: TestConformance/Document"},
		More:   []string{"refused"},
		Open: func(t *testing.T) storetest.Store {
			s, err := natstest.Start(admin, bot("one", needed...))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			between := proxy.New(t, s.Addr)
			conn := dial(t, s.Addr, nats.UserInfo("admin", "admin"))
			kv := bucket(t, conn, "KEYS", 3)
			put := func(text string) { connected(t, conn); put(t, kv, text) }
			login := func(users ...*server.User) { t.Helper(); must(s.Login(users...)) }
			return storetest.Store{
				Source: rknats.New(dial(t, between.Addr, nats.UserInfo("bot", "one")), "KEYS", "k"),
				Put:    func(n int) { put(conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.Kill, Mend: func() { must(s.Restart()) }, Want: source.ErrUnavailable},
					"connection reset":            {Begin: between.Reset, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"refused":                     {Begin: between.Stop, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"no answer":                   {Begin: between.Hang, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"slow answers":                {Begin: func() { between.Slow(200) }, Mend: between.Start, Uses: 3},
					"permission revoked": {
						Begin: func() { login(admin, bot("one", "nothing")) }, Mend: func() { login(admin, bot("one", needed...)) },
						Want: source.ErrDenied, Missed: true,
					},
					"token expired": {
						Begin: func() { login(admin, bot("two", needed...)) }, Mend: func() { login(admin, bot("one", needed...)) },
						Want: source.ErrDenied, Missed: true,
					},
					"secret deleted": {Begin: func() { must(kv.Delete(context.Background(), "k")) }, Want: source.ErrNoKey},
					"rollback":       {Begin: func() { put(conformance.NewKey(1).Secret.Expose()) }, Uses: 1},
					"empty version":  {Begin: func() { put("") }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

var admin = &server.User{Username: "admin", Password: "admin"}

// bot returns the source's user with these permissions.
func bot(password string, publish ...string) *server.User {
	return &server.User{Username: "bot", Password: password, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}}
}

// needed are the permissions that the package comment names.
var needed = []string{
	"$JS.API.STREAM.INFO.KV_KEYS", "$JS.API.DIRECT.GET.KV_KEYS.>", "$JS.API.STREAM.MSG.GET.KV_KEYS",
	"$JS.API.CONSUMER.CREATE.KV_KEYS.>", "$JS.API.CONSUMER.DELETE.KV_KEYS.>",
}

// versions reads src and returns its versions, newest first.
func versions(t *testing.T, src source.Source) (names []string, set source.Set) {
	t.Helper()
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		names = append(names, key.Version)
	}
	return names, set
}

// F16, F70, F71, F92: the versions are the values in the history, back to a marker.
func TestHistory(t *testing.T) {
	nc := dial(t, shared.Addr)
	kv := bucket(t, nc, bucketOf(t), 4)
	src := rknats.New(nc, bucketOf(t), "k")
	check := func(what string, complete bool, want ...uint64) source.Set {
		t.Helper()
		for _, src := range []source.Source{src, rknats.New(nc, bucketOf(t), "k")} { // one that has read before, and a new one
			if got, set := versions(t, src); fmt.Sprint(got) != fmt.Sprint(want) || set.Complete != complete {
				t.Errorf("%s: versions %v, complete %v; want %v, %v", what, got, set.Complete, want, complete)
			}
		}
		_, set := versions(t, src)
		return set
	}
	one := put(t, kv, "one")
	check("one", false, one)
	two := put(t, kv, "two")
	set := check("two", false, two, one)
	entry, err := kv.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	// F129: the source does not decide when a previous version ends.
	if was := set.Keys[1]; !was.ReplacedAt.Equal(entry.Created()) || !was.ExpiresAt.IsZero() {
		t.Errorf("the previous version was replaced at %v, and ends at %v, want %v, and no end", was.ReplacedAt, was.ExpiresAt, entry.Created())
	}
	if now := set.Keys[0]; !now.ReplacedAt.IsZero() || !now.CreatedAt.Equal(entry.Created()) {
		t.Error("the current version has been replaced, or has another time than the store's")
	}
	put(t, kv, "two")
	check("two again", false, two, one)
	put(t, kv, "one")
	check("back to one", false, one, two)
	put(t, kv, " ") // this value is no key
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("a blank value: %v", err)
	}
	purge(t, kv)
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("after a purge: %v", err)
	}
	three := put(t, kv, "three")
	check("three, after a purge", true, three)
	four := put(t, kv, "four")
	check("four", true, four, three)
}

// F16: the same value is put until the history has lost all others. The ring keeps the
// current key's name, and the previous key.
func TestHistoryOverflows(t *testing.T) {
	nc := dial(t, shared.Addr)
	kv := bucket(t, nc, bucketOf(t), 2)
	put(t, kv, conformance.NewKey(1).Secret.Expose())
	keys, _ := storetest.Keep(t, rknats.New(nc, bucketOf(t), "k"))
	put(t, kv, conformance.NewKey(2).Secret.Expose())
	storetest.Uses(t, keys, 2)
	version := keys.Version()
	for range 10 {
		put(t, kv, conformance.NewKey(2).Secret.Expose())
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	status := keys.Status()
	if keys.Version() != version || len(status.Versions) != 2 || status.Versions[1].Role != ring.RolePrevious {
		t.Errorf("the same content changed the ring: %+v", status.Versions)
	}
}

// F70: a purge revokes the old keys in the source and in the ring, however short the history
// is. A key that is put after it has its overlap.
func TestPurgeRevokes(t *testing.T) {
	for _, history := range []uint8{1, 2, 5} {
		t.Run(fmt.Sprint("history=", history), func(t *testing.T) {
			nc := dial(t, shared.Addr)
			kv := bucket(t, nc, bucketOf(t), history)
			putKey(t, kv, 1)
			keys, _ := storetest.Keep(t, rknats.New(nc, bucketOf(t), "k"))
			storetest.Requests(t, keys)
			putKey(t, kv, 2)
			storetest.Uses(t, keys, 2)
			purge(t, kv)
			putKey(t, kv, 3)
			storetest.Uses(t, keys, 3)
			storetest.Eventually(t, "the others revoked", func() bool { return live(keys) == 1 })
			putKey(t, kv, 4)
			storetest.Uses(t, keys, 4)
			if n := live(keys); n != 2 {
				t.Errorf("%d keys are usable after the next rotation, want it and the one before", n)
			}
		})
	}
}

// A wrong key is put into the bucket, and every overlap is over. A ring that had the old key
// goes on with it, and so does one that starts now: the API never accepted the wrong key. The
// old key ends when the API accepts a newer one, and does not come back although the history
// still has it.
//
// F129
func TestWrongKeyEndsInNoOutage(t *testing.T) {
	kv := bucket(t, dial(t, shared.Addr), bucketOf(t), 5)
	open := func() *ring.Ring {
		t.Helper()
		keys, err := ring.Open(t.Context(), "nats://"+shared.Addr+"/"+bucketOf(t)+"/k?overlap=1ns",
			ring.WithPoll(1000*time.Hour), ring.WithLogger(nil), ring.WithRefusalWait(0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { keys.Close() })
		return keys
	}
	// check reads the bucket and makes a request of an API that accepts only the n-th key.
	check := func(keys *ring.Ring, n, usable int) {
		t.Helper()
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		request, err := keys.Attempt(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		for key := request.Key(); !key.SameContent(conformance.NewKey(n)); key = request.Key() {
			if !request.Next(t.Context(), false) {
				t.Fatalf("key %d was not sent: %+v", n, keys.Status().Versions)
			}
		}
		request.Accepted()
		if got := live(keys); got != usable {
			t.Errorf("%d keys are usable, want %d: %+v", got, usable, keys.Status().Versions)
		}
	}
	putKey(t, kv, 1)
	before := open()
	check(before, 1, 1)
	putKey(t, kv, 2)
	check(before, 1, 2)
	after := open()
	check(after, 1, 2)
	putKey(t, kv, 3)
	for _, keys := range []*ring.Ring{before, after} {
		check(keys, 3, 1)
		check(keys, 3, 1)
	}
}

// F70: the source is not connected while the key is purged and put. It finds the marker in a
// history of 2.
func TestPurgeWhileAway(t *testing.T) {
	proxy := proxy.New(t, shared.Addr)
	kv := bucket(t, dial(t, shared.Addr), bucketOf(t), 2)
	putKey(t, kv, 1)
	keys, _ := storetest.Keep(t, rknats.New(dial(t, proxy.Addr), bucketOf(t), "k"))
	storetest.Requests(t, keys)
	putKey(t, kv, 2)
	storetest.Uses(t, keys, 2)
	proxy.Stop()
	purge(t, kv)
	putKey(t, kv, 3)
	proxy.Start()
	storetest.Uses(t, keys, 3)
	if n := live(keys); n != 1 {
		t.Errorf("%d keys are usable, want the new one alone", n)
	}
}

func putKey(t testing.TB, kv jetstream.KeyValue, n int) {
	t.Helper()
	put(t, kv, conformance.NewKey(n).Secret.Expose())
}

func purge(t testing.TB, kv jetstream.KeyValue) {
	t.Helper()
	if err := kv.Purge(context.Background(), "k"); err != nil {
		t.Fatal(err)
	}
}

// live returns the number of versions that may be used.
func live(keys *ring.Ring) (n int) {
	for _, v := range keys.Status().Versions {
		if v.Role == ring.RoleCurrent || v.Role == ring.RolePrevious {
			n++
		}
	}
	return n
}

// A bucket that is deleted and created again counts its revisions from 1.
func TestBucketMadeAnew(t *testing.T) {
	nc := dial(t, shared.Addr)
	name := bucketOf(t)
	kv := bucket(t, nc, name, 1)
	put(t, kv, conformance.NewKey(1).Secret.Expose())
	keys, _ := storetest.Keep(t, rknats.New(nc, name, "k"))
	storetest.Requests(t, keys)
	put(t, kv, conformance.NewKey(2).Secret.Expose())
	storetest.Uses(t, keys, 2) // now the watch has begun
	put(t, kv, conformance.NewKey(3).Secret.Expose())
	storetest.Uses(t, keys, 3)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("Refresh without the bucket: %v", err)
	}
	put(t, bucket(t, nc, name, 1), conformance.NewKey(4).Secret.Expose())
	if err := keys.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	storetest.Uses(t, keys, 4)
}

// F17, F88: a user may not read, may read, may not log in, and may read again.
func TestPermission(t *testing.T) {
	s, err := natstest.Start(admin, bot("one"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	login := func(users ...*server.User) {
		t.Helper()
		if err := s.Login(users...); err != nil {
			t.Fatal(err)
		}
	}
	adminConn := dial(t, s.Addr, nats.UserInfo("admin", "admin"))
	kv := bucket(t, adminConn, "KEYS", 2)
	rotate := func(n int) {
		t.Helper()
		connected(t, adminConn)
		putKey(t, kv, n)
	}
	rotate(1)

	t.Setenv("NATS_TEST_PASSWORD", "one")
	src, _, err := source.Parse("nats://" + s.Addr + "/KEYS/k?username=bot&password_env=NATS_TEST_PASSWORD")
	if err != nil {
		t.Fatal(err)
	}
	login(admin, bot("one", "nothing"))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Read without permission: %v", err)
	}
	login(admin, bot("one", needed...))
	keys, _ := storetest.Keep(t, src)
	storetest.Requests(t, keys)
	rotate(2)
	storetest.Uses(t, keys, 2)

	login(admin, bot("two", needed...)) // with another password
	storetest.Eventually(t, "a refusal", func() bool { return errors.Is(keys.Refresh(t.Context()), source.ErrDenied) })
	rotate(3)
	t.Setenv("NATS_TEST_PASSWORD", "two")
	storetest.Uses(t, keys, 3)
}

func BenchmarkRotation(b *testing.B) {
	nc := dial(b, shared.Addr)
	kv := bucket(b, nc, bucketOf(b), 2)
	storetest.Rotation(b, rknats.New(nc, bucketOf(b), "k"), func(n int) { putKey(b, kv, n) })
}

func Example() {
	s, err := natstest.Start()
	if err != nil {
		panic(err)
	}
	defer s.Stop()
	ctx := context.Background()
	nc, err := nats.Connect(s.Addr)
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		panic(err)
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "KEYS", History: 2})
	if err != nil {
		panic(err)
	}
	put := func(value string) {
		if _, err := kv.PutString(ctx, "exchange", value); err != nil {
			panic(err)
		}
	}
	put("first-key")

	switched := make(chan string, 2)
	keys, err := ring.Open(ctx, "nats://"+s.Addr+"/KEYS/exchange?overlap=1h", ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
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
	// revision 1
	// revision 2
}
