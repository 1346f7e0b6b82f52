package kubernetes_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for _, text := range []string{
		"kubernetes:///default/exchange",
		"kubernetes:///default/exchange?field=token&overlap=1h",
		"kubernetes:///default/exchange?field=keys&format=json",
		"kubernetes:///default/exchange?id=user&secret=pass&passphrase=",
		"kubernetes:///default/exchange?kubeconfig=/k&context=prod",
	} {
		storetest.Open(t, text, "kubernetes:///default/exchange")
	}
	storetest.Invalid(t,
		"kubernetes:///exchange",
		"kubernetes://default/exchange",
		"kubernetes:///default/exchange/token",
		"kubernetes:///default/exchange?format=json",
		"kubernetes:///default/exchange?field=f&format=xml",
		"kubernetes:///default/exchange?field=f&id=user",
		"kubernetes:///default/exchange?context=prod",
		"kubernetes:///default/exchange?token="+conformance.Sentinel,
		"kubernetes://"+conformance.Sentinel+"@/default/exchange",
	)
}

// F75, F95: the program is not in a cluster and has no valid kubeconfig. The error says so,
// and does not say that a server did not answer.
func TestNoConfiguration(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "?kubeconfig=" + path
	}
	const here = `{"apiVersion":"v1","kind":"Config","current-context":"here",
		"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"users":[{"name":"u","user":{}}],
		"contexts":[{"name":"here","context":{"cluster":"c","user":"u"}}]}`
	for title, tc := range map[string]struct{ host, query, want string }{
		"outside a cluster":         {"", "", "not in a cluster"},
		"no token in a pod":         {"127.0.0.1", "", "service account's token cannot be read: no such file or directory"},
		"no kubeconfig":             {"", "?kubeconfig=/does/not/exist", "the kubeconfig cannot be read: no such file or directory"},
		"a kubeconfig that is none": {"", file(conformance.Sentinel + ": ["), "the kubeconfig is not valid"},
		"no such context":           {"", file(here) + "&context=elsewhere", "does not have the context"},
		"no such authority":         {"", file(strings.Replace(here, `"server"`, `"certificate-authority":"/does/not/exist","server"`, 1)), "names a file that does not exist"},
	} {
		t.Setenv("KUBERNETES_SERVICE_HOST", tc.host)
		t.Setenv("KUBERNETES_SERVICE_PORT", "1")
		src, _, err := source.Parse("kubernetes:///default/exchange" + tc.query)
		if err != nil {
			t.Fatal(err)
		}
		read := func() error { _, err := src.Read(t.Context()); return err }
		notify := func() error { return src.(source.Notifier).Notify(t.Context(), func() {}) }
		for what, err := range map[string]error{"Read": read(), "Notify": notify()} {
			var typed *source.Error
			if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) ||
				!strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), conformance.Sentinel) {
				t.Errorf("%s, %s: %v", title, what, err)
			}
		}
	}
}

// F75, F78, F104: the server is absent or sends nothing. Nothing of the client remains.
func TestNobodyThere(t *testing.T) {
	text := func(address string) string {
		path := filepath.Join(t.TempDir(), "config")
		config := `{"apiVersion":"v1","kind":"Config","current-context":"here",
			"clusters":[{"name":"c","cluster":{"server":"https://` + address + `"}}],"users":[{"name":"u","user":{}}],
			"contexts":[{"name":"here","context":{"cluster":"c","user":"u"}}]}`
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		return "kubernetes:///default/exchange?kubeconfig=" + path
	}
	t.Run("refused", func(t *testing.T) { storetest.Refused(t, text) })
	t.Run("mute", func(t *testing.T) { storetest.Mute(t, text) })
}
