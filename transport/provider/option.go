package provider

import "time"

// Option changes how a scheme signs. A nil Option is ignored.
type Option func(*config)

type config struct {
	learn       bool
	nonceUnit   time.Duration
	nonceWindow bool
	now         func() time.Time // time.Now, except in tests
}

// LearnClock makes the scheme follow the server's clock. When the server refuses the
// time or nonce of a request, the scheme takes the answer's Date header (RFC 9110
// section 6.6.1) and adds the difference to the local clock to every time that it signs
// from then on. It ignores a difference of more than one hour. The refused request is
// signed again and sent once more, if it may be sent again. Default: the local clock,
// uncorrected.
func LearnClock() Option { return func(c *config) { c.learn = true } }

// NonceUnit sets the unit in which nonces count the time since 1970. It is for a key
// that another client has used with larger nonces: the server refuses every nonce below
// the highest that it has seen. Default: the API's own unit, milliseconds for Kraken
// and Gemini, microseconds for Bitfinex. A value below 1 ns is ignored.
func NonceUnit(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.nonceUnit = d
		}
	}
}

// NonceWindow says that the API has a nonce window for the keys, as Kraken can, so that
// a transport may send requests concurrently. Default: if the API requires growing
// nonces, a transport sends requests one at a time.
//
// https://support.kraken.com/articles/360000919966-how-to-create-an-api-key
func NonceWindow() Option { return func(c *config) { c.nonceWindow = true } }
