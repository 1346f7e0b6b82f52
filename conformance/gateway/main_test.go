// Package gateway tests rotations with real API gateways: nginx, HAProxy and Caddy.
package gateway_test

import (
	"testing"

	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
