package provider

import "time"

// WithNow replaces the local clock.
func WithNow(now func() time.Time) Option { return func(c *config) { c.now = now } }

// WithNonce replaces Deribit's nonce.
func WithNonce(nonce func() string) Option { return func(c *config) { c.nonce = nonce } }
