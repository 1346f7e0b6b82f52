package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
)

// Option changes how a scheme signs. A nil Option is ignored.
type Option func(*config)

type config struct {
	learn       bool
	nonceUnit   time.Duration
	nonceWindow bool
	timeNonce   bool
	headers     []Header         // besides those of the Signing
	now         func() time.Time // time.Now, except in tests
}

// LearnClock makes the scheme follow the server's clock. When the server refuses the
// time or nonce of a request, the scheme takes the answer's Date header (RFC 9110
// section 6.6.1) and adds the difference to the local clock to every time that it signs
// from then on. It ignores a difference of more than one hour. The refused request is
// signed again and sent once more, if it may be sent again, and if the time differs: else the
// ring emits a Warning, once, which names [NonceUnit]. Default: the local clock, uncorrected.
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

// TimeNonce makes nonces the time in seconds, which need not grow, for keys of Gemini that
// were created with "Uses a time based nonce": it takes a nonce within 30 s of its own time.
// Requests are then sent concurrently. NonceUnit has no effect. Default: growing nonces.
//
// https://developer.gemini.com/authentication/api-key
func TimeNonce() Option { return func(c *config) { c.timeNonce = true } }

// KuCoinBroker makes the scheme of [KuCoin] also set the headers of a broker: KC-API-PARTNER
// to partner, KC-BROKER-NAME to name, KC-API-PARTNER-VERIFY to true, and KC-API-PARTNER-SIGN.
// The last is signed with key, the broker's, over the time and the key id of each attempt, so
// no caller could set it. If an argument is empty, every request fails. Default: no broker.
//
// https://www.kucoin.com/docs-new/rest/broker/instructions
func KuCoinBroker(partner, name string, key source.Secret) Option {
	m, err := mac.New(sha256.New, nil, key)
	if err == nil && (partner == "" || name == "") {
		err = errors.New("the partner or the name is empty")
	}
	sign := func(dst []byte, c *Call) []byte {
		if err != nil {
			c.Fail(fmt.Errorf("KuCoinBroker: %w", err))
			return dst
		}
		return base64.StdEncoding.AppendEncode(dst, m.Append(nil, Join(Millis, Text(partner), ID)(nil, c)))
	}
	return func(c *config) {
		c.headers = append(c.headers, Header{"KC-API-PARTNER", Text(partner)}, Header{"KC-BROKER-NAME", Text(name)},
			Header{"KC-API-PARTNER-VERIFY", Text("true")}, Header{"KC-API-PARTNER-SIGN", sign})
	}
}
