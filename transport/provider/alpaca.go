package provider

import (
	"encoding/json"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Alpaca sends the id and the secret of a key in APCA-API-KEY-ID and
// APCA-API-SECRET-KEY, to the trading API, to that for paper money, and to market data.
// A key for paper money is none for real money: give each a ring of its own, and take
// the other origin out of the profile, so that no request goes there by mistake.
//
// A 401 refuses the key, unless it is about a scope. The market data API answers 403 to
// a bad key and to a plan that does not include the data. A 403 that says "forbidden."
// and no more is [transport.Ambiguous]: the request was not carried out, and the key
// counts as refused only if another one is accepted. Other 403s, such as the trading
// API's for too little buying power, are the caller's.
//
// Login is for wss://stream.data.alpaca.markets and the trading API's /stream.
//
// https://docs.alpaca.markets/docs/authentication-1
// https://docs.alpaca.markets/docs/market-data-faq
// https://docs.alpaca.markets/docs/streaming-market-data
func Alpaca() Profile {
	return Profile{
		Name:   "alpaca",
		Scheme: transport.Headers(map[string]string{"APCA-API-KEY-ID": "id", "APCA-API-SECRET-KEY": "secret"}),
		Classifier: Codes("message", map[transport.Verdict][]string{
			transport.Ambiguous:    {"forbidden", "forbidden."},
			transport.Inconclusive: {"token is not authorized for this scope*", "subscription does not permit*"},
		}, 401, 403),
		Origins: []string{"https://api.alpaca.markets", "https://paper-api.alpaca.markets", "https://data.alpaca.markets"},
		Login:   alpacaLogin,
	}
}

func alpacaLogin(key source.Key) ([]byte, error) {
	if key.ID == "" || key.Secret.IsZero() {
		return nil, fmt.Errorf("provider: alpaca: %w: no id, or no secret", source.ErrUnusable)
	}
	return json.Marshal(struct {
		Action string `json:"action"`
		Key    string `json:"key"`
		Secret string `json:"secret"`
	}{"auth", key.ID, key.Secret.Expose()})
}
