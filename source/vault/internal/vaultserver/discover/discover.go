// Package discover replaces github.com/hashicorp/go-discover in the test server, which joins
// no cluster. It finds nothing.
package discover

import (
	"errors"
	"log"
)

// Provider finds addresses in the original.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Config is the parsed form of a discovery string.
type Config map[string]string

// Option sets up a Discover.
type Option func(*Discover) error

// Discover finds nothing.
type Discover struct {
	Providers map[string]Provider
}

// Providers is the list of known providers. It is empty.
var Providers = map[string]Provider{}

// Parse refuses every string.
func Parse(string) (Config, error) { return nil, errors.New("discover: not in the test server") }

// New returns a Discover.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// WithProviders has no effect.
func WithProviders(map[string]Provider) Option { return func(*Discover) error { return nil } }

// Addrs finds nothing.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("discover: not in the test server")
}
