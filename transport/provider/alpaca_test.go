package provider_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// The id and the secret are sent in their headers, and in the login message of the
// streams. F120
func TestAlpaca(t *testing.T) {
	key := pair("sentinel-k")
	req := newRequest(t, "POST", "https://api.alpaca.markets/v2/orders", "", "{}")
	sign(t, provider.Alpaca().Scheme, key, req)
	if req.Header.Get("APCA-API-KEY-ID") != key.ID || req.Header.Get("APCA-API-SECRET-KEY") != "sentinel-k" || len(req.Header) != 2 {
		t.Error("the headers are wrong")
	}
	login, err := provider.Alpaca().Login(key)
	if want := `{"action":"auth","key":"` + key.ID + `","secret":"sentinel-k"}`; err != nil || string(login) != want {
		t.Errorf("the login is wrong, %v", err)
	}
	for _, bad := range []source.Key{{ID: "a"}, {Secret: source.NewSecret("sentinel-k")}} {
		if login, err := provider.Alpaca().Login(bad); !errors.Is(err, source.ErrUnusable) || login != nil || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("a key without a part: %v", err)
		}
	}
}
