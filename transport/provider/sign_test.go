package provider_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// base64Secret is a secret for every scheme: it is text and also valid base64.
const base64Secret = "c2VudGluZWwtc2VjcmV0LXNlbnRpbmVsLXNlY3JldA=="

// profiles are all profiles that sign, each with a path that it signs.
func profiles(opts ...provider.Option) map[string]provider.Profile {
	all := make(map[string]provider.Profile)
	for _, p := range []provider.Profile{
		provider.Binance(opts...), provider.Kraken(opts...), provider.CoinbaseExchange(opts...), provider.OKX(opts...),
		provider.Bybit(opts...), provider.KuCoin(opts...), provider.Gemini(opts...), provider.Bitfinex(opts...),
		provider.Deribit(opts...), provider.BitMEX(opts...), provider.Gate(opts...),
	} {
		all[p.Name] = p
	}
	return all
}

func privatePath(name string) string {
	if name == "kraken" {
		return "/0/private/AddOrder"
	}
	return "/api/v4/orders"
}

// fingerprint is everything that an attempt sends besides the caller's own.
func fingerprint(t testing.TB, req *http.Request) string {
	return fmt.Sprint(req.URL, req.Header, bodyOf(t, req))
}

// F49: each attempt has its own time or nonce.
func TestSignsAnewForEachAttempt(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	now := start
	for name, p := range profiles(provider.WithNow(func() time.Time { return now })) {
		now = start
		signer, err := p.Scheme.Prepare(pair(base64Secret))
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for range 3 {
			req := newRequest(t, "POST", "https://api.example.com"+privatePath(name), "", "")
			if err := signer.Sign(req); err != nil {
				t.Fatal(err)
			}
			seen[fingerprint(t, req)] = true
			now = now.Add(time.Second)
		}
		if len(seen) != 3 {
			t.Errorf("%s: %d different attempts of 3", name, len(seen))
		}
	}
}

// F28, F48: signing changes neither a shared value slice nor the caller's URL in place.
// If a request is signed twice, each header has one value.
func TestSigningLeavesTheCallersPartsAlone(t *testing.T) {
	for name, p := range profiles() {
		req := newRequest(t, "POST", "https://api.example.com"+privatePath(name), "a=1", "")
		url, before := req.URL, *req.URL
		sign(t, p.Scheme, pair(base64Secret), req)
		if *url != before {
			t.Errorf("%s: changed the URL in place", name)
		}
		for header, values := range req.Header {
			if len(values) != 1 || cap(values) != 1 {
				t.Errorf("%s: %s has %d values, room for %d", name, header, len(values), cap(values))
			}
		}
	}
}

// F47: a scheme names the headers that it sets.
func TestCredentialHeaders(t *testing.T) {
	for name, p := range profiles(provider.LearnClock()) {
		named := p.Scheme.Traits().Headers
		req := newRequest(t, "POST", "https://api.example.com"+privatePath(name), "", "")
		sign(t, p.Scheme, pair(base64Secret), req)
		if len(named) == 0 {
			t.Errorf("%s: names none", name)
		}
		for _, header := range named {
			if req.Header.Values(header) == nil {
				t.Errorf("%s: names %s, which it does not set", name, header)
			}
		}
		for header := range req.Header {
			if !slices.ContainsFunc(named, func(name string) bool { return strings.EqualFold(name, header) }) && !slices.Contains([]string{"Content-Type", "X-Bapi-Recv-Window", "Kc-Api-Key-Version"}, header) {
				t.Errorf("%s: sets %s, which it does not name", name, header)
			}
		}
	}
}

// F33: a body that cannot be read twice is refused, not buffered.
func TestRefusesABodyThatCannotBeReadTwice(t *testing.T) {
	for name, p := range profiles() {
		signer, err := p.Scheme.Prepare(pair(base64Secret))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("POST", "https://api.example.com"+privatePath(name), io.MultiReader(strings.NewReader("a=1")))
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.Sign(req); !errors.Is(err, transport.ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
		rest, err := io.ReadAll(req.Body)
		if err != nil || string(rest) != "a=1" {
			t.Errorf("%s: the body was read", name)
		}
	}
}

// F49: the nonces of one id grow across goroutines, versions, clients and a clock that
// steps back.
func TestNoncesGrow(t *testing.T) {
	bodyNonce := func(t *testing.T, r *http.Request) string {
		text, _, _ := strings.Cut(strings.TrimPrefix(bodyOf(t, r), "nonce="), "&")
		return text
	}
	for name, nonceOf := range map[string]func(*testing.T, *http.Request) string{
		"kraken":   bodyNonce,
		"bitfinex": func(_ *testing.T, r *http.Request) string { return r.Header.Get("bfx-nonce") },
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			now, steps := time.Unix(1_700_000_000, 0), 0
			opt := provider.WithNow(func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				if steps++; steps%10 == 0 {
					now = now.Add(-time.Hour)
				}
				now = now.Add(time.Millisecond)
				return now
			})
			key := pair(base64Secret)
			var wg sync.WaitGroup
			var all []uint64
			for i := range 100 {
				version := key
				version.Version = strconv.Itoa(i)
				wg.Go(func() {
					signer, err := profiles(opt)[name].Scheme.Prepare(version)
					if err != nil {
						t.Error(err)
						return
					}
					last := uint64(0)
					for range 20 {
						req := newRequest(t, "POST", "https://api.example.com"+privatePath(name), "", "")
						if err := signer.Sign(req); err != nil {
							t.Error(err)
							return
						}
						n, err := strconv.ParseUint(nonceOf(t, req), 10, 64)
						if err != nil || n <= last {
							t.Errorf("nonce %d after %d, %v", n, last, err)
							return
						}
						last = n
						mu.Lock()
						all = append(all, n)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			slices.Sort(all)
			if n := len(slices.Compact(all)); n != 2000 {
				t.Errorf("%d different nonces of 2000", n)
			}
		})
	}
}

// With NonceUnit nonces are larger than those of an earlier client.
func TestNonceUnit(t *testing.T) {
	now := time.Unix(1_700_000_000, 123)
	for unit, want := range map[time.Duration]string{
		0: "nonce=1700000000000", time.Microsecond: "nonce=1700000000000000", time.Nanosecond: "nonce=1700000000000000123",
	} {
		req := newRequest(t, "POST", "https://api.example.com/0/private/Balance", "", "")
		sign(t, provider.Kraken(at(now), provider.NonceUnit(unit)).Scheme, pair(base64Secret), req)
		if got := bodyOf(t, req); got != want {
			t.Errorf("%v: %s, want %s", unit, got, want)
		}
	}
}

// The server's clock is learned from the Date of a refusal, if it differs by at most
// one hour. If it does not differ, nothing is learned. F165
func TestLearnClock(t *testing.T) {
	local := time.Unix(1_700_000_000, 0)
	key := pair(base64Secret)
	for _, c := range []struct {
		date string
		ok   bool
		want string
	}{
		{local.Add(90 * time.Second).UTC().Format(http.TimeFormat), true, "1700000090500"},
		{local.Add(-59 * time.Minute).UTC().Format(http.TimeFormat), true, "1699996460500"},
		{local.Add(2 * time.Hour).UTC().Format(http.TimeFormat), false, "1700000000000"},
		{local.UTC().Format(http.TimeFormat), false, "1700000000000"},
		{"yesterday", false, "1700000000000"},
		{"", false, "1700000000000"},
	} {
		p := provider.Bybit(at(local), provider.LearnClock())
		answer := transport.NewAnswer(200, http.Header{"Date": {c.date}}, []byte(`{"retCode":10002}`))
		if p.Classifier(answer) != transport.ClockSkew {
			t.Fatal("not a clock refusal")
		}
		for range 2 { // a second request, refused at the same time, learns the same
			if got := p.Scheme.Traits().Resync(answer); got != c.ok {
				t.Errorf("%q: resynced %v", c.date, got)
			}
		}
		req := newRequest(t, "GET", "https://api.example.com/v5/order", "", "")
		sign(t, p.Scheme, key, req)
		if got := req.Header.Get("X-BAPI-TIMESTAMP"); got != c.want {
			t.Errorf("%q: time %s, want %s", c.date, got, c.want)
		}
	}
	if provider.Bybit().Scheme.Traits().Resync != nil {
		t.Error("learns a clock without being told to")
	}
}
