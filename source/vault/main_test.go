package vault_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

func TestMain(m *testing.M) { // F104
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		vaulttest.Clean()
		os.Exit(code)
	}))
}
