package conformance

import (
	"crypto/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// Sentinel is the prefix of every secret of the suites. Output that contains it
// leaks a secret.
const Sentinel = mockapi.Sentinel

// salt differs between processes, so that no file contains a secret of the suites.
var salt = rand.Text()

// NewKey returns the n-th key of a suite. Its version is "vN". Its secret begins
// with [Sentinel] and is the same for the same n within one process. The other
// fields are empty; a harness sets those that its keys have.
func NewKey(n int) source.Key {
	text := strconv.Itoa(n)
	return source.Key{Version: "v" + text, Secret: source.NewSecret(Sentinel + text + "_" + salt)}
}

// noSecret fails the test if text contains a secret. what says where text is from.
func noSecret(t testing.TB, what, text string) { // F95
	t.Helper()
	if i := strings.Index(text, Sentinel); i >= 0 {
		t.Errorf("%s contains a secret: %q", what, text[:i]+"[the secret]")
	}
}
