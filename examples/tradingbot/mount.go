package main

import (
	"os"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/source"
)

// mount writes key to files in a new directory, as the kubelet does.
func mount(key source.Key) (*kubelet.Volume, error) {
	dir, err := os.MkdirTemp("", "rollingkeys-tradingbot-")
	if err != nil {
		return nil, err
	}
	v, err := kubelet.Mount(dir, kubelet.Files(key))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return v, nil
}
