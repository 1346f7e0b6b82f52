package provider

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/rollingkeys/rollingkeys/transport"
)

// CoinbaseExchange signs requests to Coinbase Exchange. A key has a passphrase
// in Extra["passphrase"]. For Advanced Trade, whose keys sign a JWT, see package
// coinbasecdp.
//
// https://docs.cdp.coinbase.com/exchange/rest-api/authentication
func CoinbaseExchange(opts ...Option) Profile {
	return Profile{
		Name: "coinbaseexchange",
		Scheme: Signing{
			Name: "coinbaseexchange", Hash: sha256.New, Decode: base64.StdEncoding.DecodeString, Encode: Base64,
			Extra:   []string{"passphrase"},
			Message: []Part{Seconds, Method, Target, Body},
			Headers: []Header{
				{"CB-ACCESS-KEY", ID}, {"CB-ACCESS-SIGN", Signature},
				{"CB-ACCESS-TIMESTAMP", Seconds}, {"CB-ACCESS-PASSPHRASE", Extra("passphrase")},
			},
		}.Scheme(opts...),
		Classifier: Codes("message", map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"Invalid API Key", "invalid signature", "Invalid Passphrase"},
			transport.ClockSkew:        {"request timestamp expired"},
			transport.Inconclusive:     {"IP does not match*"},
		}, 400, 401),
		Origins: []string{"https://api.exchange.coinbase.com"},
	}
}
