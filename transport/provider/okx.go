package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/rollingkeys/rollingkeys/transport"
)

// OKX returns the profile of OKX's v5 API. A key has its passphrase in
// Extra["passphrase"], which is sent unchanged.
//
// https://www.okx.com/docs-v5/en/#overview-rest-authentication
func OKX(opts ...Option) Profile {
	p := Signing{
		Name: "okx", Hash: sha256.New, Encode: base64.StdEncoding.AppendEncode, Extra: []string{"passphrase"},
		Message: []Part{ISO8601, Method, Target, Body},
		Headers: []Header{
			{"OK-ACCESS-KEY", ID}, {"OK-ACCESS-SIGN", Signature},
			{"OK-ACCESS-TIMESTAMP", ISO8601}, {"OK-ACCESS-PASSPHRASE", Extra("passphrase")},
		},
		Login: okxLogin,
	}.Profile(opts...)
	p.Origins = []string{"https://www.okx.com"}
	// Some errors have status 200. 2 is a partial success. Checked on 2026-11-30 against
	// copies of the page, which lack 50116 to 50118 and 50121: these are from reports (?).
	// Which status a code has: ? The same code was seen with several.
	// https://www.okx.com/docs-v5/en/#error-code
	p.Classifier = Success("code", []string{"0", "2"}, Codes("code", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"50105", "50111", "50113", "50114", "50119"},
		transport.ClockSkew:        {"50102", "50112"},
		// F160: accounts, rates and maintenance; then addresses, environments, missing headers,
		// brokers, methods, permissions.
		transport.Inconclusive: {"500*", "50100", "50101", "50103", "50104", "50106", "50107", "50108", "50109", "50110", "50115",
			"50116", "50117", "50118", "50120", "50121"},
	}, 200, 400, 401, 403))
	p.LoginVerdict = okxVerdict
	return p
}

// okxLogin signs the time in seconds and a fixed request line.
// https://www.okx.com/docs-v5/en/#overview-websocket-login
func okxLogin(c *Call) ([]byte, error) {
	type arg struct {
		APIKey     string `json:"apiKey"`
		Passphrase string `json:"passphrase"`
		Timestamp  string `json:"timestamp"`
		Sign       string `json:"sign"`
	}
	return json.Marshal(struct {
		Op   string `json:"op"`
		Args []arg  `json:"args"`
	}{"login", []arg{{c.Value(ID), c.Value(Extra("passphrase")), c.Value(Seconds), c.Value(Signed(Seconds, Text("GET/users/self/verify")))}}})
}

// okxLoginError knows the codes of the WebSocket, and those of the REST API.
// https://www.okx.com/docs-v5/en/#error-code-websocket
var okxLoginError = Codes("code", map[transport.Verdict][]string{
	transport.RefusedUnapplied: {"60005", "60007", "60024", "60032", "50105", "50111", "50113", "50114", "50119"},
	transport.ClockSkew:        {"60004", "60006", "50102", "50112"},
	transport.Ambiguous:        {"60009"}, // the login failed; no reason is given
}, 200)

// okxVerdict reads the answer to login. A connection that is not logged in gets no other
// event "error".
func okxVerdict(message []byte) (transport.Verdict, bool) {
	var m struct {
		Event string `json:"event"`
		Code  string `json:"code"`
	}
	switch err := json.Unmarshal(message, &m); {
	case err != nil, m.Event != "login" && m.Event != "error":
		return 0, false
	case m.Event == "login" && m.Code == "0":
		return transport.Passed, true
	}
	return FailedLogin(okxLoginError, 200, message) // others are not about the key, such as 50110, the address
}
