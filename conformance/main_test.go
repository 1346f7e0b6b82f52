package conformance_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// F104
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "64") // most tests wait most of the time
	goleak.VerifyTestMain(m)
}
