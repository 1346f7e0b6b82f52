package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	_ "github.com/rollingkeys/rollingkeys/source/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		name string // empty: an error
	}{
		{"redis://127.0.0.1:6379/0?key=keys:exchange", "redis://127.0.0.1:6379/0?key=keys%3Aexchange"},
		{"redis://a?key=k&format=json&channel=c&overlap=1h", "redis://a?key=k"},
		{"rediss://a/3?key=k&username=bot&password_env=P", "rediss://a/3?key=k"},
		{"redis://a?key=k&id=user&secret=pass&passphrase=", "redis://a?key=k"},
		{"redis://a", ""},
		{"redis:///0?key=k", ""},
		{"redis://a/x?key=k", ""},
		{"redis://a?key=k&key=l", ""},
		{"redis://a?key=k&format=xml", ""},
		{"redis://a?key=k&id=user&format=json", ""},
		{"redis://a?key=k&username=bot", ""},
		{"redis://a?key=k&password=rksentinel_", ""},
		{"redis://:rksentinel_@a?key=k", ""},
		{"rediss://a?key=k&ca_file=/does/not/exist", ""},
	} {
		src, _, err := source.Parse(c.text)
		if c.name == "" {
			if !errors.Is(err, source.ErrInvalid) || strings.Contains(fmt.Sprint(err), "rksentinel_") {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if got := fmt.Sprint(src); got != c.name {
			t.Errorf("%s calls itself %s", c.text, got)
		}
	}
}

// F75, F78, F104: nobody listens, or somebody who says nothing. Reading ends
// with its context, and nothing of the client stays.
func TestNobodyThere(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, addr := range []string{"127.0.0.1:1", mute.Addr().String()} {
		src, _, err := source.Parse("redis://" + addr + "?key=k")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = src.Read(ctx)
		var typed *source.Error
		if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%s: Read: %v", addr, err)
		}
	}
}
