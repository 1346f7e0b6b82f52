package provider

import (
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// OKX signs requests to OKX's v5 API. A key has a passphrase in
// Extra["passphrase"], which is sent as it is.
//
// https://www.okx.com/docs-v5/en/#overview-rest-authentication
func OKX(opts ...Option) Profile {
	d := newScheme(Signing{
		Name: "okx", Hash: sha256.New, Encode: Base64, Extra: []string{"passphrase"},
		Message: []Part{ISO8601, Method, Target, Body},
		Headers: []Header{
			{"OK-ACCESS-KEY", ID}, {"OK-ACCESS-SIGN", Signature},
			{"OK-ACCESS-TIMESTAMP", ISO8601}, {"OK-ACCESS-PASSPHRASE", Extra("passphrase")},
		},
	}, opts)
	return Profile{
		Name: d.Name, Scheme: d,
		Origins: []string{"https://www.okx.com"},
		// https://www.okx.com/docs-v5/en/#error-code
		// Some of what is not about the key comes with status 200.
		Classifier: unless(Codes("code", map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"50105", "50111", "50113", "50114", "50119"},
			transport.ClockSkew:        {"50102", "50112"},
			transport.Inconclusive: {"50001", "50004", "50005", "50011", "50013", "50026", "50030", "50035", "50061", "50062", "50100",
				"50101", "50103", "50104", "50106", "50107", "50110"},
		}, 200, 400, 401, 403), `{"code":"0"`),
		Login: d.login(okxLogin),
	}
}

// okxLogin signs the time in seconds and a fixed request line.
// https://www.okx.com/docs-v5/en/#overview-websocket-login
func okxLogin(s *signer, now time.Time) ([]byte, error) {
	ts := strconv.FormatInt(now.Unix(), 10)
	signature, err := s.text(ts + "GET/users/self/verify")
	if err != nil {
		return nil, err
	}
	type arg struct {
		APIKey     string `json:"apiKey"`
		Passphrase string `json:"passphrase"`
		Timestamp  string `json:"timestamp"`
		Sign       string `json:"sign"`
	}
	return json.Marshal(struct {
		Op   string `json:"op"`
		Args []arg  `json:"args"`
	}{"login", []arg{{s.id, s.extra["passphrase"].Expose(), ts, signature}}})
}
