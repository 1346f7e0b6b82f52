package aws_test

import (
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/aws"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// BenchmarkRotation reports the time from a rotation in the store to the first
// request with the new key. Run it with -benchtime=20x or more.
func BenchmarkRotation(b *testing.B) {
	storetest.Polled(b, func(b *testing.B) (source.Source, func(n int)) {
		s := newStub(b)
		return aws.New(s.client(), "prod/key"), func(n int) {
			key := conformance.NewKey(n)
			s.put("AWSPREVIOUS", "", "")
			s.put("AWSCURRENT", key.Version, key.Secret.Expose())
		}
	})
}
