package provider

import (
	"encoding/json"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Alpaca returns the profile of Alpaca. It sends the key's ID in APCA-API-KEY-ID and
// its Secret in APCA-API-SECRET-KEY, to the trading API, the paper trading API and the
// market data API. A paper trading key is not valid for real trading. So give each its
// own ring, and remove the other origin from the profile, so that no request goes there
// by mistake.
//
// A 401 refuses the key, unless it is about a scope. The market data API answers 403
// both to a bad key and to a plan that does not include the data. A 403 with only
// "forbidden." is [transport.Ambiguous]: the request was not carried out, and the key
// counts as refused only if another one is accepted. Any other 403, such as the trading
// API's for insufficient buying power, passes to the caller.
//
// Login is for wss://stream.data.alpaca.markets and the trading API's /stream. Most
// subscriptions allow one connection of an account at a time, so [Profile.Session] ends the
// old one first: each try of a key that is refused costs a login with the one before. If
// yours allows more, set OneConnection to false.
//
// https://docs.alpaca.markets/docs/authentication-1
// https://docs.alpaca.markets/docs/market-data-faq
// https://docs.alpaca.markets/docs/streaming-market-data
func Alpaca() Profile {
	return Profile{
		Name:   "alpaca",
		Scheme: transport.Headers(map[string]string{"APCA-API-KEY-ID": "id", "APCA-API-SECRET-KEY": "secret"}),
		Classifier: Codes("message", map[transport.Verdict][]string{
			transport.Refused:      {"unauthorized*", "request is not authorized*", "access key verification failed*"},
			transport.Ambiguous:    {"forbidden", "forbidden."},
			transport.Inconclusive: {"token is not authorized for this scope*", "subscription does not permit*"},
		}, 401, 403),
		Origins: []string{"https://api.alpaca.markets", "https://paper-api.alpaca.markets", "https://data.alpaca.markets"},
		Login:   alpacaLogin, LoginVerdict: alpacaVerdict, OneConnection: true,
	}
}

func alpacaLogin(key source.Key) ([]byte, error) {
	if key.ID == "" || key.Secret.IsZero() {
		return nil, fmt.Errorf("provider: alpaca: %w: it has no id or no secret", source.ErrUnusable)
	}
	return json.Marshal(struct {
		Action string `json:"action"`
		Key    string `json:"key"`
		Secret string `json:"secret"`
	}{"auth", key.ID, key.Secret.Expose()})
}

// alpacaVerdict reads the answer to auth, of the market data stream or of the trading
// API's. The first greets before the login.
// https://docs.alpaca.markets/docs/streaming-market-data
// https://docs.alpaca.markets/docs/websocket-streaming
func alpacaVerdict(message []byte) (transport.Verdict, bool) {
	var trading struct {
		Stream string `json:"stream"`
		Data   struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	if json.Unmarshal(message, &trading) == nil {
		switch {
		case trading.Stream != "authorization":
			return 0, false
		case trading.Data.Status == "authorized":
			return transport.Passed, true
		}
		return transport.RefusedUnapplied, true
	}
	var data []struct {
		T    string `json:"T"`
		Msg  string `json:"msg"`
		Code int    `json:"code"`
	}
	if json.Unmarshal(message, &data) != nil {
		return 0, false
	}
	for _, m := range data {
		switch {
		case m.T == "success" && m.Msg == "authenticated":
			return transport.Passed, true
		case m.T == "error" && m.Code == 402: // auth failed
			return transport.RefusedUnapplied, true
		case m.T == "error": // such as 406: another connection of the account is open
			return transport.Inconclusive, true
		}
	}
	return 0, false
}
