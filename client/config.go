package client

import (
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// config is what the options say. The profile is the lowest layer: an option of the
// caller's counts wherever it stands (F139).
type config struct {
	profile   *provider.Profile // nil: none
	scheme    *transport.Scheme // nil: the profile's, or Bearer
	timeout   *time.Duration    // nil: limits of the wait for requests without a deadline
	retries   int
	ring      []ring.Option
	transport []transport.Option
}

func configure(opts []Option) *config {
	cfg := &config{}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(cfg)
		}
	}
	return cfg
}

func (c *config) schemeInUse() transport.Scheme {
	switch {
	case c.scheme != nil:
		return *c.scheme
	case c.profile != nil:
		return c.profile.Scheme
	}
	return transport.Bearer()
}

// wait returns how long a request without a deadline waits for the header, and then for
// each piece of the body.
func (c *config) wait() time.Duration {
	if c.profile != nil && c.profile.Slow {
		return slowLimit
	}
	return defaultLimit
}

func (c *config) ringOptions() []ring.Option {
	var list []ring.Option
	if c.profile != nil && c.profile.Lockout {
		list = append(list, ring.WithLockout())
	}
	return append(list, c.ring...)
}

// transportOptions returns list, the options of the profile and those of the caller.
func (c *config) transportOptions(list ...transport.Option) []transport.Option {
	if p := c.profile; p != nil {
		list = append(list, transport.WithClassifier(p.Classifier))
		if len(p.Origins) > 0 {
			list = append(list, transport.WithOrigin(p.Origins...))
		}
	}
	return append(list, c.transport...)
}
