package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Both keys rotate in every way, on exchanges with growing nonces, with a passphrase
// and a login, with orders by GET, with ambiguous refusals, and with refusals by 200
// and 500: no order is lost or doubled, and no secret is printed.
//
// F26, F49, F60, F61, F67, F95
func TestTradingbot(t *testing.T) {
	for _, name := range []string{"kraken", "okx", "deribit", "binance", "bybit", "bitfinex"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			ok, err := run(t.Context(), &out, name, 1)
			if err != nil || !ok {
				t.Fatalf("%v\n%s", err, out.String())
			}
			for _, s := range exchange.Sentinels() {
				if strings.Contains(out.String(), s) {
					t.Errorf("a secret in the output:\n%s", out.String())
				}
			}
			if !strings.Contains(out.String(), "switched") || !strings.Contains(out.String(), "no overlap") {
				t.Errorf("nothing was rotated:\n%s", out.String())
			}
		})
	}
	if _, err := run(t.Context(), io.Discard, "mtgox", 1); err == nil {
		t.Error("an unknown exchange is no error")
	}
}

// Ctrl-C ends the rotations. Orders under way are finished, and the books are
// printed and are right.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopper{cancel: cancel, at: "both keys: "}
	ok, err := run(ctx, out, "okx", 1000)
	if err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if text := out.String(); !strings.Contains(text, "orders lost") || strings.Count(text, "both keys: ") != 1 {
		t.Errorf("output:\n%s", text)
	}
}

// A stopper calls cancel once its content contains at.
type stopper struct {
	bytes.Buffer
	cancel func()
	at     string
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.at) {
		s.cancel()
	}
	return n, err
}

// Every name of the flag is the name of a mock exchange and of a profile.
func TestNames(t *testing.T) {
	for name, profile := range profiles {
		if e, err := exchange.New(name); err != nil || e.Name() != profile().Name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The audit finds what is wrong with books.
func TestAudit(t *testing.T) {
	once := func(id string) exchange.Order { return exchange.Order{ClientID: id, Canceled: 1} }
	for what, c := range map[string]struct {
		books []exchange.Order
		want  findings
	}{
		"nothing": {[]exchange.Order{once("a"), once("b")}, findings{}},
		"lost":    {[]exchange.Order{once("a")}, findings{lost: 1}},
		"doubled": {[]exchange.Order{once("a"), once("b"), once("a")}, findings{doubled: 1}},
		"unknown": {[]exchange.Order{once("a"), once("b"), once("c")}, findings{unknown: 1}},
		"open":    {[]exchange.Order{once("a"), {ClientID: "b"}}, findings{open: 1}},
	} {
		if got := audit(c.books, []string{"a", "b"}); got != c.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// The watcher counts a secret that is written in pieces once.
func TestWatcherFinds(t *testing.T) {
	w := &watcher{out: io.Discard}
	for _, s := range exchange.Sentinels() {
		for _, c := range "a " + s + "x" {
			_, _ = io.WriteString(w, string(c))
		}
		_, _ = io.WriteString(w, s+" and "+s)
	}
	if n, want := w.leaks(), 3*len(exchange.Sentinels()); n != want {
		t.Errorf("found %d, want %d", n, want)
	}
}
