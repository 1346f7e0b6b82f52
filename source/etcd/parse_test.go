package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	_ "github.com/rollingkeys/rollingkeys/source/etcd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		name string // empty: an error
	}{
		{"etcd://127.0.0.1:2379?key=keys/exchange", "etcd://127.0.0.1:2379?key=keys%2Fexchange"},
		{"etcd://a:2379/?endpoint=b:2379&endpoint=c:2379&key=/k&format=json&overlap=1h", "etcd://a:2379?key=%2Fk"},
		{"etcd://a:2379?key=k&username=bot&password_env=ETCD_PASSWORD&tls=true", "etcd://a:2379?key=k"},
		{"etcd://a:2379", ""},
		{"etcd:///k?key=k", ""},
		{"etcd://a:2379/k?key=k", ""},
		{"etcd://a:2379?key=k&key=l", ""},
		{"etcd://a:2379?key=k&format=xml", ""},
		{"etcd://a:2379?key=k&tls=perhaps", ""},
		{"etcd://a:2379?key=k&username=bot", ""},
		{"etcd://a:2379?key=k&password_env=P", ""},
		{"etcd://a:2379?key=k&password=rksentinel_", ""},
		{"etcd://bot:rksentinel_@a:2379?key=k", ""},
		{"etcd://a:2379?key=k&ca_file=/does/not/exist", ""},
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

// F75, F78, F104: no server there, with a login and without. Reading ends with its
// context, and nothing of the client stays.
func TestNobodyListens(t *testing.T) {
	t.Setenv("ETCD_TEST_PASSWORD", "rksentinel_")
	for _, text := range []string{
		"etcd://127.0.0.1:1?key=k",
		"etcd://127.0.0.1:1?key=k&username=bot&password_env=ETCD_TEST_PASSWORD",
	} {
		src, _, err := source.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = src.Read(ctx)
		var typed *source.Error
		if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Read: %v", text, err)
		}
	}
}
