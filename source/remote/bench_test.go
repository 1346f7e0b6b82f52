package remote_test

import (
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// This measures the time from a rotation at an endpoint that supports long polls to the first
// attempt with the new key.
func BenchmarkRotation(b *testing.B) {
	e := newEndpoint(b, "v0")
	e.mu.Lock()
	e.hold = true
	e.mu.Unlock()
	storetest.Rotation(b, open(b, e.Server), func(n int) {
		key := conformance.NewKey(n)
		e.set(fmt.Sprintf(`{"keys":[{"version":"v%d","id":%q,"secret":%q}]}`, n, key.ID, key.Secret.Expose()), fmt.Sprintf(`"v%d"`, n))
	})
}
