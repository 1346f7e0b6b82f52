package listen_test

import (
	"net"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// At waits for an address that is in use.
func TestAt(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { first.Close() })
	again, err := listen.At(first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
