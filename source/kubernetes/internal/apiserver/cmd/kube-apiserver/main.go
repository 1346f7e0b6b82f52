//go:build apiserver

// Kube-apiserver is the command of Kubernetes, built from its module. It exits when its
// standard input ends, so that it never outlives the test.
package main

import (
	"io"
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
