// Package k8s replaces the original's Kubernetes provider.
package k8s

import (
	"errors"
	"log"
)

// Provider finds nothing.
type Provider struct{}

// Addrs finds nothing.
func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("discover: not in the test server")
}

// Help says nothing.
func (*Provider) Help() string { return "" }
