package redistest_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	rkredis "github.com/rollingkeys/rollingkeys/source/redis"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// pair returns keys with all fields that a hash can have.
func pair(n int) source.Key {
	key := conformance.NewKey(n)
	key.ID = "id-" + key.Version
	key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(conformance.Sentinel + "phrase-" + key.Version)}
	return key
}

// A form is one way to store API keys in a Redis key.
type form struct {
	opts  []rkredis.Option
	key   func(int) source.Key
	lists bool
	put   func(t testing.TB, client *redis.Client, name string, keys ...source.Key)
	tear  func(t testing.TB, client *redis.Client, name string, next source.Key)
}

func encode(t testing.TB, keys ...source.Key) string {
	t.Helper()
	data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var forms = map[string]form{
	"Token": {
		put: func(t testing.TB, client *redis.Client, name string, keys ...source.Key) {
			value := ""
			if len(keys) > 0 {
				value = keys[0].Secret.Expose()
			}
			do(t, client, "SET", name, value)
		},
	},
	"Document": {
		opts: []rkredis.Option{rkredis.WithDecoder(source.Document)}, key: pair, lists: true,
		put: func(t testing.TB, client *redis.Client, name string, keys ...source.Key) {
			do(t, client, "SET", name, encode(t, keys...))
		},
		tear: func(t testing.TB, client *redis.Client, name string, next source.Key) {
			text := encode(t, next)
			do(t, client, "SET", name, text[:len(text)/2])
		},
	},
	"Hash": {
		opts: []rkredis.Option{rkredis.WithNames("id", "secret", "passphrase")}, key: pair,
		put: func(t testing.TB, client *redis.Client, name string, keys ...source.Key) {
			if len(keys) == 0 {
				do(t, client, "HSET", name, "id", "", "secret", "")
				return
			}
			do(t, client, "HSET", name, "id", keys[0].ID, "secret", keys[0].Secret.Expose(),
				"passphrase", keys[0].Extra["passphrase"].Expose())
		},
		tear: func(t testing.TB, client *redis.Client, name string, next source.Key) {
			_, err := client.TxPipelined(context.Background(), func(tx redis.Pipeliner) error {
				tx.Del(context.Background(), name)
				tx.HSet(context.Background(), name, "id", next.ID)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	},
}

func (f form) harness() conformance.SourceHarness {
	h := conformance.SourceHarness{
		Lists: f.lists, Key: f.key,
		Skip: map[string]string{"Denied": "TestPermission has a server with logins"},
		New: func(t testing.TB) conformance.SourceBackend {
			s := server(t)
			proxy := proxy.New(t, s.Addr)
			name := "keys:" + t.Name()
			t.Cleanup(func() { do(t, s.Client, "DEL", name) })
			// The client has one connection, which it keeps between readings. A call of a
			// ring that was closed may still be going on at the next reading (F106), and a
			// pool would open and keep another connection.
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr, PoolSize: 1})
			t.Cleanup(func() { _ = client.Close() })
			mend := func() {
				proxy.Start()
				// After some failures the client does not try to connect for a second.
				storetest.Eventually(t, "the connection", func() bool { return client.Ping(context.Background()).Err() == nil })
			}
			return conformance.SourceBackend{
				Source: rkredis.New(client, name, f.opts...),
				Put: func(keys ...source.Key) {
					mend()
					f.put(t, s.Client, name, keys...)
				},
				Delete: func() { do(t, s.Client, "DEL", name) },
				Break:  proxy.Stop, Hang: proxy.Hang, Repair: mend,
				Tear: func(next source.Key) { f.tear(t, s.Client, name, next) },
			}
		},
	}
	if f.tear == nil {
		h.Skip["Torn"] = "SET is atomic, and half of a token looks like a token"
	}
	return h
}

// F01, F04, F07, F14, F16, F26, F71, F75, F78, F95, F104
func TestConformance(t *testing.T) {
	for name, f := range forms {
		t.Run(name, func(t *testing.T) { conformance.TestSource(t, f.harness()) })
	}
}

// F75, F77, F88, F92: after each way to lose a subscription, the source subscribes again and
// misses no change, although Redis does not repeat messages.
func TestFaults(t *testing.T) {
	server(t)
	storetest.TestFaults(t, storetest.Table{
		Absent: map[string]string{"pending version": "a value that is one token has no date: TestConformance/Document"},
		More:   []string{"refused"},
		Open: func(t *testing.T) storetest.Store {
			s := own(t)
			between := proxy.New(t, s.Addr)
			put := func(text string) { do(t, s.Client, "SET", "k", text) }
			t.Setenv("REDIS_TEST_PASSWORD", "one")
			grant(t, s.Client, "one")
			src, _, err := source.Parse("redis://" + between.Addr + "/0?key=k&username=bot&password_env=REDIS_TEST_PASSWORD")
			if err != nil {
				t.Fatal(err)
			}
			return storetest.Store{
				Source: src,
				Put:    func(n int) { put(conformance.NewKey(n).Secret.Expose()) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.Kill, Mend: func() {
						if err := s.Restart(); err != nil {
							t.Fatal(err)
						}
						grant(t, s.Client, "one") // the server forgets its users
					}, Want: source.ErrUnavailable},
					"connection reset": {Begin: between.Reset, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"refused":          {Begin: between.Stop, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"no answer":        {Begin: between.Hang, Mend: between.Start, Want: source.ErrUnavailable, Missed: true},
					"slow answers":     {Begin: func() { between.Slow(200) }, Mend: between.Start, Uses: 3},
					"permission revoked": {
						Begin: func() { do(t, s.Client, "ACL", "SETUSER", "bot", "resetkeys") },
						Mend:  func() { do(t, s.Client, "ACL", "SETUSER", "bot", "~k") }, Want: source.ErrDenied, Missed: true,
					},
					"token expired": {
						Begin: func() { do(t, s.Client, "ACL", "DELUSER", "bot") }, // which closes its connections
						Mend:  func() { grant(t, s.Client, "one") }, Want: source.ErrDenied, Missed: true,
					},
					"secret deleted": {Begin: func() { do(t, s.Client, "DEL", "k") }, Want: source.ErrNoKey},
					"rollback":       {Begin: func() { put(conformance.NewKey(1).Secret.Expose()) }, Uses: 1},
					"empty version":  {Begin: func() { put("") }, Want: source.ErrNoKey},
				},
			}
		},
	})
}

// grant creates the source's user with the rights that the package comment names.
func grant(t testing.TB, client *redis.Client, password string) {
	t.Helper()
	do(t, client, "ACL", "SETUSER", "bot", "reset", "on", ">"+password, "~k", "&__keyspace@0__:k",
		"+getrange", "+hmget", "+subscribe", "+ping", "+config|get")
}

// If the server sends no events, the ring warns. When the server begins to send them, the
// ring is notified. With a channel the source needs no events.
func TestWithoutEvents(t *testing.T) {
	s := own(t)
	do(t, s.Client, "CONFIG", "SET", "notify-keyspace-events", "")
	key := func(n int) string { return conformance.NewKey(n).Secret.Expose() }
	do(t, s.Client, "SET", "k", key(1))

	published, _ := storetest.Keep(t, rkredis.New(s.Client, "k", rkredis.WithChannel("changed")))
	keys, said := storetest.Keep(t, rkredis.New(s.Client, "k"))
	storetest.Eventually(t, "a warning", func() bool { return strings.Contains(said(), "notify-keyspace-events") })
	do(t, s.Client, "SET", "k", key(2))
	// If the message comes before the subscription, the subscription causes the reading.
	do(t, s.Client, "PUBLISH", "changed", "")
	storetest.Uses(t, published, 2)
	do(t, s.Client, "SET", "k", key(3))
	do(t, s.Client, "PUBLISH", "changed", "")
	storetest.Uses(t, published, 3)

	do(t, s.Client, "CONFIG", "SET", "notify-keyspace-events", "KA")
	storetest.Uses(t, keys, 3) // the next Notify subscribes and makes the ring read
	do(t, s.Client, "SET", "k", key(4))
	storetest.Uses(t, keys, 4)
}

// F07: the Redis key expires, and the ring keeps the last good API key.
func TestKeyExpires(t *testing.T) {
	s := server(t)
	do(t, s.Client, "SET", t.Name(), conformance.NewKey(1).Secret.Expose())
	keys, _ := storetest.Keep(t, rkredis.New(s.Client, t.Name()))
	storetest.Requests(t, keys)
	do(t, s.Client, "SET", t.Name(), conformance.NewKey(2).Secret.Expose())
	storetest.Uses(t, keys, 2)
	do(t, s.Client, "PEXPIRE", t.Name(), 1)
	storetest.Eventually(t, "a failed reading, by notice", func() bool { return keys.Status().LastError != "" })
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("Refresh: %v", err)
	}
	do(t, s.Client, "SET", t.Name(), conformance.NewKey(3).Secret.Expose())
	storetest.Uses(t, keys, 3)
}

// F20, F21, F95: the errors of invalid values quote nothing of them.
func TestInvalidValues(t *testing.T) {
	s := server(t)
	src := rkredis.New(s.Client, t.Name())
	hash := rkredis.New(s.Client, t.Name(), rkredis.WithNames("id", "", ""))
	for _, c := range []struct {
		what string
		src  source.Source
		args []any
		want error
	}{
		{"control bytes", src, []any{"SET", t.Name(), "rksentinel_\x01"}, source.ErrInvalid},
		{"too long", src, []any{"SET", t.Name(), strings.Repeat("rksentinel_", 10000)}, source.ErrInvalid},
		{"a list", src, []any{"LPUSH", t.Name(), "rksentinel_"}, source.ErrInvalid},
		{"a string for a hash", hash, []any{"SET", t.Name(), "rksentinel_"}, source.ErrInvalid},
		{"no secret", hash, []any{"HSET", t.Name(), "id", "rksentinel_"}, source.ErrInvalid},
		{"no id", hash, []any{"HSET", t.Name(), "secret", "rksentinel_"}, source.ErrInvalid},
		{"a field too long", hash, []any{"HSET", t.Name(), "id", "i", "secret", strings.Repeat("rksentinel_", 10000)}, source.ErrInvalid},
		{"other fields", hash, []any{"HSET", t.Name(), "user", "rksentinel_"}, source.ErrNoKey},
	} {
		do(t, s.Client, "DEL", t.Name())
		do(t, s.Client, c.args...)
		_, err := c.src.Read(t.Context())
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), "rksentinel_") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// F17, F88: a user does not exist yet, and the password of a user changes.
func TestPermission(t *testing.T) {
	s := own(t)
	put := func(n int) { t.Helper(); do(t, s.Client, "SET", "k", conformance.NewKey(n).Secret.Expose()) }
	password := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	put(1)
	src, _, err := source.Parse("redis://" + s.Addr + "/0?key=k&username=bot&password_file=" + url.QueryEscape(password))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Read by nobody: %v", err)
	}
	grant(t, s.Client, "one")
	keys, _ := storetest.Keep(t, src)
	storetest.Requests(t, keys)
	put(2)
	storetest.Uses(t, keys, 2)

	do(t, s.Client, "ACL", "DELUSER", "bot") // which closes its connections
	if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Refresh with the login gone: %v", err)
	}
	grant(t, s.Client, "two")
	put(3)
	write("two")
	storetest.Uses(t, keys, 3)
}

func BenchmarkRotation(b *testing.B) {
	s := server(b)
	storetest.Rotation(b, rkredis.New(s.Client, b.Name()), func(n int) {
		do(b, s.Client, "SET", b.Name(), conformance.NewKey(n).Secret.Expose())
	})
}

func Example() {
	ctx := context.Background()
	put := func(value string) {
		if err := shared.Client.HSet(ctx, "keys:example", "id", value, "secret", "s-of-"+value).Err(); err != nil {
			panic(err)
		}
	}
	put("first-key")

	switched := make(chan struct{}, 2)
	keys, err := ring.Open(ctx, "redis://"+shared.Addr+"/0?key=keys:example&id=id&secret=secret&overlap=1h", ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
		if e.Kind == ring.Switched {
			switched <- struct{}{}
		}
	}))
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	show := func() {
		<-switched
		key, err := keys.InUse()
		if err != nil {
			panic(err)
		}
		fmt.Println(key.ID)
	}
	show()
	put("second-key")
	show()
	// Output:
	// first-key
	// second-key
}
