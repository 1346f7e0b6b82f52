package storetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Open opens a source string, which must make a source of that name.
func Open(t *testing.T, text, name string) source.Source {
	t.Helper()
	src, _, err := source.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got := fmt.Sprint(src); got != name {
		t.Errorf("%s is called %s, want %s", text, got, name)
	}
	return src
}

// Invalid holds source strings to be refused, and their secrets not to be quoted (F103).
func Invalid(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, _, err := source.Parse(text)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(fmt.Sprint(err), conformance.Sentinel) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Unavailable reads sources of a store that is not there: nobody listens at the
// address that text gets, or somebody who says nothing. Reading ends with its
// context (F75, F78).
func Unavailable(t *testing.T, text func(address string) string) {
	t.Helper()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close() // which is what ends a client's first try to connect
	for _, address := range []string{"127.0.0.1:1", mute.Addr().String()} {
		src, _, err := source.Parse(text(address))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = src.Read(ctx)
		var typed *source.Error
		if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("%s: Read: %v", text(address), err)
		}
	}
}
