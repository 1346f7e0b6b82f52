package etcd_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	_ "github.com/rollingkeys/rollingkeys/source/etcd"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"etcd://127.0.0.1:2379?key=keys/exchange":                                      "etcd://127.0.0.1:2379?key=keys%2Fexchange",
		"etcd://a:2379/?endpoint=b:2379&endpoint=c:2379&key=/k&format=json&overlap=1h": "etcd://a:2379?key=%2Fk",
		"etcd://a:2379?key=k&username=bot&password_env=ETCD_PASSWORD&tls=true":         "etcd://a:2379?key=k",
	} {
		storetest.Open(t, text, name)
	}
	storetest.Invalid(t,
		"etcd://a:2379",
		"etcd:///k?key=k",
		"etcd://a:2379/k?key=k",
		"etcd://a:2379?key=k&key=l",
		"etcd://a:2379?key=k&format=xml",
		"etcd://a:2379?key=k&tls=perhaps",
		"etcd://a:2379?key=k&username=bot",
		"etcd://a:2379?key=k&password_env=P",
		"etcd://a:2379?key=k&password="+conformance.Sentinel,
		"etcd://bot:"+conformance.Sentinel+"@a:2379?key=k",
		"etcd://a:2379?key=k&ca_file=/does/not/exist",
	)
}

// F75, F78, F104: the server is absent or sends nothing. Nothing of the client remains, with
// a login and without.
func TestNobodyThere(t *testing.T) {
	t.Setenv("ETCD_TEST_PASSWORD", conformance.Sentinel)
	for _, login := range []string{"", "&username=bot&password_env=ETCD_TEST_PASSWORD"} {
		text := func(address string) string { return "etcd://" + address + "?key=k" + login }
		t.Run("refused"+login, func(t *testing.T) { storetest.Refused(t, text) })
		t.Run("mute"+login, func(t *testing.T) { storetest.Mute(t, text) })
	}
}
