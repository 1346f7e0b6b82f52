package nats_test

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
	_ "github.com/rollingkeys/rollingkeys/source/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		name string // empty: an error
	}{
		{"nats://127.0.0.1:4222/KEYS/exchange", "nats://127.0.0.1:4222/KEYS/exchange"},
		{"nats://a/KEYS/a/b.c?server=b:4222&format=json&overlap=1h", "nats://a/KEYS/a/b.c"},
		{"nats://a/KEYS/k?username=bot&password_env=P&tls=true", "nats://a/KEYS/k"},
		{"nats://a/KEYS/k?password_env=P", "nats://a/KEYS/k"},
		{"nats://a/KEYS/k?creds_file=/run/secrets/bot.creds", "nats://a/KEYS/k"},
		{"nats://a/KEYS", ""},
		{"nats:///KEYS/k", ""},
		{"nats://a/KEYS/k?format=xml", ""},
		{"nats://a/KEYS/k?tls=perhaps", ""},
		{"nats://a/KEYS/k?username=bot", ""},
		{"nats://a/KEYS/k?creds_file=c&password_env=P", ""},
		{"nats://a/KEYS/k?token=rksentinel_", ""},
		{"nats://rksentinel_@a/KEYS/k", ""},
		{"nats://a/KEYS/k?ca_file=/does/not/exist", ""},
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
	defer mute.Close() // which is what ends the client's first try to connect
	for _, addr := range []string{"127.0.0.1:1", mute.Addr().String()} {
		src, _, err := source.Parse("nats://" + addr + "/KEYS/k")
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
