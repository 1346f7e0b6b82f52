package redis_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	_ "github.com/rollingkeys/rollingkeys/source/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"redis://127.0.0.1:6379/0?key=keys:exchange":       "redis://127.0.0.1:6379/0?key=keys%3Aexchange",
		"redis://a?key=k&format=json&channel=c&overlap=1h": "redis://a?key=k",
		"rediss://a/3?key=k&username=bot&password_env=P":   "rediss://a/3?key=k",
		"redis://a?key=k&id=user&secret=pass&passphrase=":  "redis://a?key=k",
	} {
		storetest.Open(t, text, name)
	}
	storetest.Invalid(t,
		"redis://a",
		"redis:///0?key=k",
		"redis://a/x?key=k",
		"redis://a?key=k&key=l",
		"redis://a?key=k&format=xml",
		"redis://a?key=k&id=user&format=json",
		"redis://a?key=k&username=bot",
		"redis://a?key=k&password="+conformance.Sentinel,
		"redis://:"+conformance.Sentinel+"@a?key=k",
		"rediss://a?key=k&ca_file=/does/not/exist",
	)
}

// F75, F78, F104: the server is absent or sends nothing. Nothing of the client remains.
func TestNobodyThere(t *testing.T) {
	for _, scheme := range []string{"redis", "rediss"} {
		text := func(address string) string { return scheme + "://" + address + "?key=k" }
		t.Run(scheme+" refused", func(t *testing.T) { storetest.Refused(t, text) })
		t.Run(scheme+" mute", func(t *testing.T) { storetest.Mute(t, text) })
	}
}
