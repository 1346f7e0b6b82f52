package provider

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/rollingkeys/rollingkeys/transport"
)

const kucoinVersion = "Kc-Api-Key-Version"

// KuCoin returns the profile of KuCoin's spot and futures APIs, with keys of version 2
// and 3. A key has its passphrase in Extra["passphrase"], which is sent signed. The
// KC-API-KEY-VERSION header is 3, as in KuCoin's own clients, unless the caller sets
// it; KuCoin shows the version on the key's page. The signature covers the decoded path
// and query. For a broker use [KuCoinBroker].
//
// https://www.kucoin.com/docs-new/authentication
func KuCoin(opts ...Option) Profile {
	version := []string{"3"}
	p := Signing{
		Name: "kucoin", Hash: sha256.New, Encode: base64.StdEncoding.AppendEncode, Extra: []string{"passphrase"},
		Before: func(c *Call) error {
			if c.Request.Header.Get(kucoinVersion) == "" {
				c.Request.Header[kucoinVersion] = version
			}
			return nil
		},
		Message: []Part{Millis, Method, DecodedTarget, Body},
		Headers: []Header{
			{"KC-API-KEY", ID}, {"KC-API-SIGN", Signature}, {"KC-API-TIMESTAMP", Millis},
			{"KC-API-PASSPHRASE", Signed(Extra("passphrase"))},
		},
	}.Profile(opts...)
	p.Origins = []string{"https://api.kucoin.com", "https://api-futures.kucoin.com"}
	// Checked on 2026-11-30. https://www.kucoin.com/docs-new/error-code/websocket
	p.Classifier = Success("code", []string{"200000"}, Codes("code", map[transport.Verdict][]string{
		// 400008 and 400009 are about the key's version.
		transport.RefusedUnapplied: {"400003", "400004", "400005", "400008", "400009"},
		transport.ClockSkew:        {"400002"},
		// Missing headers, addresses, permissions, brokers, regions, frozen accounts, rates.
		transport.Inconclusive: {"400001", "400006", "400007", "400010", "400012", "4002*", "4003*", "400500", "400700", "411100", "429000"},
	}, 200, 400, 401, 403))
	return p
}
