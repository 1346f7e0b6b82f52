package redistest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/redis/internal/redistest"
)

// shared is the server of all tests that do not stop their server.
var shared *redistest.Server

type tests struct{ *testing.M }

func (m tests) Run() int {
	var err error
	shared, err = redistest.Start()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("ROLLINGKEYS_REQUIRE") != "1" {
		// Tests skip themselves and give the reason. Examples cannot.
		shared = nil
		flag.Parse()
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "redis-server is needed, or ROLLINGKEYS_REQUIRE other than 1:", err)
		return 1
	}
	if shared != nil {
		defer shared.Stop()
	}
	return m.M.Run()
}

// F104: after the servers have stopped, no goroutine is left.
func TestMain(m *testing.M) { proxy.VerifyTestMain(tests{m}) }

// server returns the shared server.
func server(t testing.TB) *redistest.Server {
	t.Helper()
	if shared == nil {
		t.Skip("no redis-server in PATH (Debian: apt-get install redis-server); ROLLINGKEYS_REQUIRE=1 makes that an error")
	}
	return shared
}

// own starts a server for one test.
func own(t testing.TB) *redistest.Server {
	t.Helper()
	server(t)
	s, err := redistest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func do(t testing.TB, client *redis.Client, args ...any) {
	t.Helper()
	if err := client.Do(context.Background(), args...).Err(); err != nil {
		t.Fatal(err)
	}
}
