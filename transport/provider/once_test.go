package provider_test

import (
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A GET of Deribit that has an effect is sent once, and with the trading key. F67
func TestDeribitEffectsByGet(t *testing.T) {
	p := provider.Deribit()
	once := p.Scheme.Traits().NotIdempotent
	for path, reads := range map[string]bool{
		"/api/v2/private/buy": false, "/api/v2/private/sell": false, "/api/v2/private/edit": false, "/api/v2/private/cancel_all": false,
		"/api/v2/private/close_position": false, "/api/v2/private/withdraw": false, "/api/v2/private/buy/": false, "/api/v2/private/": false,
		"/api/v2/private/get_positions": true, "/api/v2/private/get_open_orders": true, "/api/v2/public/ticker": true, "/api/v2/public/test": true,
	} {
		req := newRequest(t, "GET", "https://www.deribit.com"+path, "a=get_", "")
		if once(req) == reads || p.Reads(req) != reads {
			t.Errorf("%s: sent once %v, reads %v", path, once(req), p.Reads(req))
		}
	}
	if p.Reads(newRequest(t, "POST", "https://www.deribit.com/api/v2/private/get_positions", "", "{}")) {
		t.Error("a POST reads")
	}
}

// At all other APIs the method tells which requests only read. F67
func TestReads(t *testing.T) {
	all := profiles()
	all["stripe"] = provider.Stripe()
	for name, p := range all {
		for method, want := range map[string]bool{"": true, "GET": true, "HEAD": true, "POST": false, "PUT": false, "DELETE": false} {
			req := newRequest(t, "GET", "https://api.example.com"+privatePath(name), "", "")
			req.Method = method
			if name != "deribit" && p.Reads(req) != want {
				t.Errorf("%s: %s reads: %v", name, method, !want)
			}
		}
	}
}

// If nonces must arrive in order, requests wait for those before them, unless the key
// has a nonce window. F49
func TestSequential(t *testing.T) {
	for _, window := range []bool{false, true} {
		var opts []provider.Option
		if window {
			opts = append(opts, provider.NonceWindow())
		}
		for name, p := range profiles(opts...) {
			want := !window && slices.Contains([]string{"kraken", "gemini", "bitfinex"}, name)
			if got := p.Scheme.Traits().Sequential; got != want {
				t.Errorf("%s, window %v: one at a time %v", name, window, got)
			}
		}
	}
}
