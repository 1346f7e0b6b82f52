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
		if p.Login != nil {
			if data, err := p.Login(source.Key{Secret: source.NewSecret("sentinel-s")}); !errors.Is(err, source.ErrUnusable) || data != nil {
				t.Errorf("%s without an id: %v", name, err)
			}
		}
	}
}
