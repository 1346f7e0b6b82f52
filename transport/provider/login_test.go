package provider_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

var loginTime = time.UnixMilli(1_700_000_000_123)

// login decodes the login message that p makes for key.
func login(t *testing.T, p provider.Profile, key source.Key, message any) {
	t.Helper()
	data, err := p.Login(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, message); err != nil {
		t.Fatal(err)
	}
}

func TestBinanceLogin(t *testing.T) {
	key := pair(ed25519PEM(t))
	var m struct {
		ID, Method string
		Params     struct {
			APIKey, Signature string
			Timestamp         int64
		}
	}
	p := provider.Binance(at(loginTime))
	login(t, p, key, &m)
	if m.ID == "" || m.Method != "session.logon" || m.Params.APIKey != key.ID || m.Params.Timestamp != loginTime.UnixMilli() {
		t.Errorf("%+v", m)
	}
	verifyEd25519(t, "apiKey="+key.ID+"&timestamp=1700000000123", m.Params.Signature)
	for _, secret := range []string{"text", pkcs8(t, testRSA(t))} {
		if _, err := p.Login(pair(secret)); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("logs in with another kind of key: %v", err)
		}
	}
}

func TestBybitLogin(t *testing.T) {
	var m struct {
		Op   string
		Args []any
	}
	p, key := provider.Bybit(at(loginTime)), pair("s")
	login(t, p, key, &m)
	if got, want := fmt.Sprint(m.Op, m.Args), fmt.Sprint("auth", []any{key.ID, 1700000010123.0, hmacHex("s", "GET/realtime1700000010123")}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	key = pair(pkcs8(t, testRSA(t)))
	login(t, p, key, &m)
	verifyRSA(t, "GET/realtime1700000010123", m.Args[2].(string))
}

func TestOKXLogin(t *testing.T) {
	var m struct {
		Op   string
		Args []struct{ APIKey, Passphrase, Timestamp, Sign string }
	}
	key := pair("s")
	login(t, provider.OKX(at(loginTime)), key, &m)
	h := hmac.New(sha256.New, []byte("s"))
	h.Write([]byte("1700000000GET/users/self/verify"))
	want := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if a := m.Args[0]; m.Op != "login" || a.APIKey != key.ID || a.Passphrase != "sentinel-phrase" || a.Timestamp != "1700000000" || a.Sign != want {
		t.Errorf("%+v", m)
	}
}

func TestDeribitLogin(t *testing.T) {
	var m struct {
		JSONRPC, Method string
		Params          struct {
			GrantType string `json:"grant_type"`
			ClientID  string `json:"client_id"`
			Timestamp int64
			Signature string
			Nonce     string
			Data      *string
		}
	}
	p, key := provider.Deribit(at(loginTime)), pair("s")
	nonces := make(map[string]bool)
	for range 2 {
		login(t, p, key, &m)
		a := m.Params
		if m.JSONRPC != "2.0" || m.Method != "public/auth" || a.GrantType != "client_signature" || a.ClientID != key.ID ||
			a.Timestamp != loginTime.UnixMilli() || a.Data == nil || *a.Data != "" || a.Signature != hmacHex("s", "1700000000123\n"+a.Nonce+"\n") {
			t.Errorf("%+v", m)
		}
		nonces[a.Nonce] = true
	}
	if len(nonces) != 2 {
		t.Error("a nonce was used twice")
	}
}

// Only these APIs have a login, and it takes only usable keys.
func TestLogins(t *testing.T) {
	for name, p := range profiles() {
		want := name == "binance" || name == "bybit" || name == "okx" || name == "deribit"
		if (p.Login != nil) != want {
			t.Errorf("%s: login %v", name, !want)
		}
		if (p.LoginVerdict != nil) != want {
			t.Errorf("%s: a verdict on logins: %v", name, !want)
		}
		if p.Login != nil {
			if data, err := p.Login(source.Key{Secret: source.NewSecret("sentinel-s")}); !errors.Is(err, source.ErrUnusable) || data != nil {
				t.Errorf("%s without an id: %v", name, err)
			}
		}
	}
}

// Only a success logs in; a message that is not the answer is passed over; an error about
// something else does not count against the key.
//
// The messages of Binance, of Bybit and of Alpaca's market data stream are after the APIs'
// documentation. The pages about the logins of OKX, of Deribit and of Alpaca's trading stream
// could not be read. Clients in public repositories have these in this form: OKX's success,
// 60005 and 60009, Deribit's invalid_credentials, and Alpaca's authorized and unauthorized.
// OKX's other codes, and Deribit's other errors in answer to a login, were not seen anywhere.
func TestLoginVerdicts(t *testing.T) {
	const none = transport.Verdict(255) // not the answer
	for name, messages := range map[string]map[string]transport.Verdict{
		"binance": {
			`{"id":"login","status":200,"result":{"apiKey":"k","authorizedSince":1649729878532}}`:                                 transport.Passed,
			`{"id":"login","status":400,"error":{"code":-1022,"msg":"Signature for this request is not valid."}}`:                 transport.RefusedUnapplied,
			`{"id":"login","status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}`:          transport.Ambiguous,
			`{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}`:             transport.Ambiguous,
			`{"id":"login","status":400,"error":{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}}`: transport.ClockSkew,
			`{"id":"login","status":418,"error":{"code":-1003,"msg":"Way too many requests"}}`:                                    transport.Inconclusive,
			`{"id":"login","status":403}`:              transport.Inconclusive,
			`{"id":"1","status":200,"result":{}}`:      none,
			`{"id":null,"status":200}`:                 none,
			`{"e":"executionReport"}`:                  none,
			`{"id":7,"status":200,"result":{"a":"b"}}`: none,
		},
		"bybit": {
			`{"success":true,"ret_msg":"","op":"auth","conn_id":"cejreaspqfh3sjdnldmg-p"}`: transport.Passed,
			`{"retCode":0,"retMsg":"OK","op":"auth","connId":"cnt5leec0hvan15eukcg-2t"}`:   transport.Passed,
			`{"retCode":10004,"retMsg":"error sign","op":"auth","connId":"c"}`:             transport.RefusedUnapplied,
			`{"retCode":10003,"retMsg":"invalid key","op":"auth","connId":"c"}`:            transport.RefusedUnapplied,
			`{"retCode":10001,"retMsg":"param error","op":"auth","connId":"c"}`:            transport.Inconclusive,
			`{"retCode":20001,"retMsg":"repeat auth","op":"auth","connId":"c"}`:            transport.Inconclusive,
			`{"success":false,"ret_msg":"auth failed","op":"auth","conn_id":"c"}`:          transport.Ambiguous,
			`{"success":true,"ret_msg":"pong","op":"ping","conn_id":"c"}`:                  none,
			`{"topic":"order","data":[]}`:                                                  none,
			`{"op":"auth"}`:                                                                none,
		},
		"okx": {
			`{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}`:                  transport.Passed,
			`{"event":"error","code":"60009","msg":"Login failed.","connId":"a4d3ae55"}`: transport.Ambiguous,
			`{"event":"error","code":"60005","msg":"Invalid apiKey"}`:                    transport.RefusedUnapplied,
			`{"event":"error","code":"60007","msg":"Invalid sign"}`:                      transport.RefusedUnapplied,
			`{"event":"error","code":"60024","msg":"Wrong passphrase"}`:                  transport.RefusedUnapplied,
			`{"event":"error","code":"60006","msg":"Timestamp request expired"}`:         transport.ClockSkew,
			`{"event":"error","code":"50110","msg":"Your IP is not in the whitelist"}`:   transport.Inconclusive,
			`{"event":"notice","code":"64008","msg":"upgrade"}`:                          none,
			`{"arg":{"channel":"orders"},"data":[]}`:                                     none,
			`pong`:                                                                       none,
		},
		"deribit": {
			`{"jsonrpc":"2.0","id":1,"result":{"access_token":"t","expires_in":31536000}}`:    transport.Passed,
			`{"jsonrpc":"2.0","id":1,"error":{"message":"invalid_credentials","code":13004}}`: transport.RefusedUnapplied,
			`{"jsonrpc":"2.0","id":1,"error":{"message":"too_many_requests","code":10028}}`:   transport.Inconclusive,
			`{"jsonrpc":"2.0","id":1,"error":{"message":"never heard of","code":1}}`:          transport.Inconclusive,
			`{"jsonrpc":"2.0","id":2,"result":{}}`:                                            none,
			`{"jsonrpc":"2.0","method":"subscription","params":{}}`:                           none,
			`{"jsonrpc":"2.0","id":1}`:                                                        none,
		},
		"alpaca": {
			`[{"T":"success","msg":"connected"}]`:                                                 none,
			`[{"T":"success","msg":"authenticated"}]`:                                             transport.Passed,
			`[{"T":"error","code":402,"msg":"auth failed"}]`:                                      transport.RefusedUnapplied,
			`[{"T":"error","code":406,"msg":"connection limit exceeded"}]`:                        transport.Inconclusive,
			`{"stream":"authorization","data":{"action":"authenticate","status":"authorized"}}`:   transport.Passed,
			`{"stream":"authorization","data":{"action":"authenticate","status":"unauthorized"}}`: transport.RefusedUnapplied,
			`{"stream":"listening","data":{"streams":["trade_updates"]}}`:                         none,
		},
	} {
		p := profiles()[name]
		if name == "alpaca" {
			p = provider.Alpaca()
		}
		messages[``], messages[`null`], messages[`7`], messages[`{}`], messages[`[]`] = none, none, none, none, none
		for message, want := range messages {
			got, ok := p.LoginVerdict([]byte(message))
			if !ok {
				got = none
			}
			if got != want {
				t.Errorf("%s: %s: verdict %d, want %d", name, message, got, want)
			}
		}
	}
}
