package provider

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/rollingkeys/rollingkeys/transport"
)

// CoinbaseExchange returns the profile of Coinbase Exchange. A key has its passphrase
// in Extra["passphrase"]. Keys of Advanced Trade sign a JWT: see [CoinbaseCDP].
//
// https://docs.cdp.coinbase.com/exchange/rest-api/authentication
func CoinbaseExchange(opts ...Option) Profile {
	p := Signing{
		Name: "coinbaseexchange", Hash: sha256.New, Decode: base64.StdEncoding.DecodeString, Encode: base64.StdEncoding.AppendEncode,
		Extra:   []string{"passphrase"},
		Message: []Part{Seconds, Method, Target, Body},
		Headers: []Header{
			{"CB-ACCESS-KEY", ID}, {"CB-ACCESS-SIGN", Signature},
			{"CB-ACCESS-TIMESTAMP", Seconds}, {"CB-ACCESS-PASSPHRASE", Extra("passphrase")},
		},
	}.Profile(opts...)
	p.Origins = []string{"https://api.exchange.coinbase.com"}
	p.Classifier = Codes("message", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"Invalid API Key", "invalid signature", "Invalid Passphrase"},
		transport.ClockSkew:        {"request timestamp expired"},
		transport.Inconclusive:     {"IP does not match*"},
	}, 400, 401)
	return p
}
