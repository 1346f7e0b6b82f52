package kubernetes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// F103
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"kubernetes:///default/exchange", true},
		{"kubernetes:///default/exchange?field=token&overlap=1h", true},
		{"kubernetes:///default/exchange?field=keys&format=json", true},
		{"kubernetes:///default/exchange?id=user&secret=pass&passphrase=", true},
		{"kubernetes:///default/exchange?kubeconfig=/k&context=prod", true},
		{"kubernetes:///exchange", false},
		{"kubernetes://default/exchange", false},
		{"kubernetes:///default/exchange/token", false},
		{"kubernetes:///default/exchange?format=json", false},
		{"kubernetes:///default/exchange?field=f&format=xml", false},
		{"kubernetes:///default/exchange?field=f&id=user", false},
		{"kubernetes:///default/exchange?context=prod", false},
		{"kubernetes:///default/exchange?token=sentinel", false},
		{"kubernetes://sentinel@/default/exchange", false},
	} {
		src, _, err := source.Parse(c.text)
		switch {
		case c.ok && err != nil:
			t.Errorf("%s: %v", c.text, err)
		case c.ok && fmt.Sprint(src) != "kubernetes:///default/exchange":
			t.Errorf("%s calls itself %s", c.text, src)
		case !c.ok && (!errors.Is(err, source.ErrInvalid) || strings.Contains(fmt.Sprint(err), "sentinel")):
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// F75: neither in a cluster nor with a kubeconfig that is there.
func TestNoCluster(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, text := range []string{"kubernetes:///default/exchange", "kubernetes:///default/exchange?kubeconfig=/does/not/exist"} {
		src, _, err := source.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = src.Read(t.Context())
		var typed *source.Error
		if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
