package conformance_test

import (
	"testing"

	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
