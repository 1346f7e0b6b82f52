package conformance

import (
	"crypto/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// Sentinel begins every secret of the suites: what is found of it in output is a leak.
const Sentinel = mockapi.Sentinel

// salt differs between processes, so that no secret is written down anywhere.
var salt = rand.Text()

// NewKey returns the n-th key of a suite: version "vN" and a secret that is the
// same for the same n, in one process. A harness adds an ID and more where its
// keys have them.
func NewKey(n int) source.Key {
	text := strconv.Itoa(n)
	return source.Key{Version: "v" + text, Secret: source.NewSecret(Sentinel + text + "_" + salt)}
}

// noSecret fails the test if text, which came from what is named, holds a secret.
func noSecret(t testing.TB, what, text string) { // F95
	t.Helper()
	if i := strings.Index(text, Sentinel); i >= 0 {
		t.Errorf("%s holds a secret: %q", what, text[:i]+"[the secret]")
	}
}
