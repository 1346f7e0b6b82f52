// Package gateway proves the promise on a gateway that is none of ours: nginx,
// as an API gateway with its keys in a map that a reload replaces.
package gateway_test

import (
	"testing"

	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
