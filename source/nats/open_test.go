package nats_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	_ "github.com/rollingkeys/rollingkeys/source/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"nats://127.0.0.1:4222/KEYS/exchange":                      "nats://127.0.0.1:4222/KEYS/exchange",
		"nats://a/KEYS/a/b.c?server=b:4222&format=json&overlap=1h": "nats://a/KEYS/a/b.c",
		"nats://a/KEYS/k?username=bot&password_env=P&tls=true":     "nats://a/KEYS/k",
		"nats://a/KEYS/k?password_env=P":                           "nats://a/KEYS/k",
		"nats://a/KEYS/k?creds_file=/run/secrets/bot.creds":        "nats://a/KEYS/k",
	} {
		storetest.Open(t, text, name)
	}
	storetest.Invalid(t,
		"nats://a/KEYS",
		"nats:///KEYS/k",
		"nats://a/KEYS/k?format=xml",
		"nats://a/KEYS/k?tls=perhaps",
		"nats://a/KEYS/k?username=bot",
		"nats://a/KEYS/k?creds_file=c&password_env=P",
		"nats://a/KEYS/k?token="+conformance.Sentinel,
		"nats://"+conformance.Sentinel+"@a/KEYS/k",
		"nats://a/KEYS/k?ca_file=/does/not/exist",
	)
}

// F75, F78, F104: the server is absent or sends nothing. Nothing of the client remains.
func TestNobodyThere(t *testing.T) {
	text := func(address string) string {
		return "nats://" + address + "/KEYS/k?server=" + address + "&server=" + address
	}
	t.Run("refused", func(t *testing.T) { storetest.Refused(t, text) })
	t.Run("mute", func(t *testing.T) { storetest.Mute(t, text) })
}
