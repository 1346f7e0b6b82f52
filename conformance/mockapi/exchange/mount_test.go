package exchange_test

import (
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/source"
)

// mount puts key into files, as the kubelet does.
func mount(t testing.TB, key source.Key) *kubelet.Volume {
	t.Helper()
	v, err := kubelet.Mount(t.TempDir(), kubelet.Files(key))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func swap(t testing.TB, v *kubelet.Volume, key source.Key) {
	t.Helper()
	if err := v.Swap(kubelet.Files(key)); err != nil {
		t.Fatal(err)
	}
}
