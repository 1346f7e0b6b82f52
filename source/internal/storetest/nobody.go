package storetest

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Refused reads the source of an absent store. text returns the source string for an address,
// at which nothing listens. The reading must end with its context (F75, F78).
func Refused(t *testing.T, text func(address string) string) {
	t.Helper()
	src, _, err := source.Parse(text("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	unavailable(t, ctx, src)
}

// Mute reads the source of a store that accepts a connection and sends nothing. text returns
// the source string for its address. The reading must end with its context (F78). After it,
// the source's client must leave no goroutine and no connection, and must not connect again
// (F104).
func Mute(t *testing.T, text func(address string) string) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var accepted atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			accepted.Add(1)
			cancel()
		}
	}()
	defer func() { mute.Close(); <-done }()
	src, _, err := source.Parse(text(mute.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	unavailable(t, ctx, src)
	accepting := goleak.IgnoreAnyFunction("github.com/rollingkeys/rollingkeys/source/internal/storetest.Mute.func1")
	Eventually(t, "the end of every goroutine of the client", func() bool { return goleak.Find(before, accepting) == nil })
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections were made, want 1: the client connected again after the reading had ended", n)
	}
}

func unavailable(t *testing.T, ctx context.Context, src source.Source) {
	t.Helper()
	_, err := src.Read(ctx)
	var typed *source.Error
	if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) || strings.Contains(err.Error(), conformance.Sentinel) {
		t.Errorf("%s: Read: %v", src, err)
	}
}
