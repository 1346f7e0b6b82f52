package provider

import "time"

// WithNow replaces the local clock.
func WithNow(now func() time.Time) Option { return func(c *config) { c.now = now } }
