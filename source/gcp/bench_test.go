package gcp_test

import (
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/gcp"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// BenchmarkRotation reports the time from a rotation in the store to the first
// request with the new key. Run it with -benchtime=20x or more.
func BenchmarkRotation(b *testing.B) {
	storetest.Polled(b, func(b *testing.B) (source.Source, func(n int)) {
		s := newStub(b)
		return gcp.New(s.client(), secret), func(n int) { s.put(conformance.NewKey(n)) }
	})
}
