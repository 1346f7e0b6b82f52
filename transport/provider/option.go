package provider

import "time"

// Option changes how a scheme signs.
type Option func(*config)

type config struct {
	learn       bool
	nonceUnit   time.Duration
	nonceWindow bool
	now         func() time.Time // time.Now but in tests
}

// LearnClock makes the scheme follow the server's clock: an answer that refuses
// the request's time, or its nonce, has a Date header (RFC 9110 section 6.6.1),
// whose distance from the local clock is added to every time that is signed from
// then on. A server's clock that is more than an hour away is not believed. By
// default the local clock is used as it is.
//
// The refused request is signed anew and sent once more, where it may be sent again.
func LearnClock() Option { return func(c *config) { c.learn = true } }

// NonceUnit sets the unit in which nonces count the time since 1970, for keys
// that were used before with a client whose nonces were larger: a server refuses
// any nonce below the highest it has seen. Default: the API's own, milliseconds
// for Kraken and Gemini, microseconds for Bitfinex. Less than 1 ns is ignored.
func NonceUnit(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.nonceUnit = d
		}
	}
}

// NonceWindow says that the keys have a nonce window at the API, as Kraken's may,
// so that requests go out side by side. Default: those of a transport go one at a
// time, where the API wants nonces that grow.
//
// https://support.kraken.com/articles/360000919966-how-to-create-an-api-key
func NonceWindow() Option { return func(c *config) { c.nonceWindow = true } }
