package exchange_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// F104
func TestMain(m *testing.M) {
	// The tests cause refusals on purpose; do not print the library's logs of them.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// profiles are the profiles under test.
var profiles = map[string]func(...provider.Option) provider.Profile{
	"binance": provider.Binance, "kraken": provider.Kraken, "coinbaseexchange": provider.CoinbaseExchange,
	"okx": provider.OKX, "bybit": provider.Bybit, "kucoin": provider.KuCoin, "gemini": provider.Gemini,
	"bitfinex": provider.Bitfinex, "deribit": provider.Deribit, "bitmex": provider.BitMEX, "gate": provider.Gate,
	"coinbasecdp": provider.CoinbaseCDP,
	"bitvavo":     bitvavo,
}

// goesByNonce lists the exchanges that need increasing nonces.
var goesByNonce = []string{"kraken", "gemini", "bitfinex"}

// each runs f for every exchange, in parallel.
func each(t *testing.T, f func(t *testing.T, name string)) {
	for name := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, name)
		})
	}
}

func newExchange(t testing.TB, name string, opts ...exchange.Option) *exchange.Exchange {
	t.Helper()
	e, err := exchange.New(name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A trader sends requests to one exchange through a transport, like a trading bot.
type trader struct {
	*exchange.Exchange
	api  *mockapi.API
	ring *ring.Ring
	http *http.Client
}

// newTrader returns a trader with the keys of src. base sends the signed requests.
func newTrader(t testing.TB, e *exchange.Exchange, api *mockapi.API, src source.Source, p provider.Profile, base http.RoundTripper, opts ...ring.Option) *trader {
	t.Helper()
	opts = append([]ring.Option{ring.WithLogger(nil)}, opts...)
	if p.Lockout {
		opts = append(opts, ring.WithLockout())
	}
	keys, err := ring.Keep(t.Context(), src, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if base == nil {
		base = api.Client().Transport
	}
	return &trader{e, api, keys, &http.Client{Transport: transport.New(keys, p.Scheme,
		transport.WithClassifier(p.Classifier), transport.WithOrigin(api.URL()), transport.WithBase(base))}}
}

// place sends one order. The error has the response if the order was not accepted.
func (b *trader) place(ctx context.Context, id string) error {
	req, err := b.Place(ctx, b.api.URL(), id)
	return b.order(req, err, id)
}

func (b *trader) cancel(ctx context.Context, id string) error {
	req, err := b.Cancel(ctx, b.api.URL(), id)
	return b.order(req, err, id)
}

func (b *trader) order(req *http.Request, err error, id string) error {
	if err != nil {
		return err
	}
	status, body, err := b.send(req)
	if err == nil && !b.Confirmed(status, body, id) {
		err = fmt.Errorf("status %d: %s", status, body)
	}
	return err
}

func (b *trader) send(req *http.Request) (int, []byte, error) {
	resp, err := b.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// keys is an in-memory source that lists all its keys.
type keys []source.Key

func (k keys) Read(context.Context) (source.Set, error) {
	return source.Set{Keys: slices.Clone(k), Complete: true}, nil
}

// rewrite changes signed requests.
type rewrite struct {
	base   http.RoundTripper
	change func(*http.Request)
}

func (r rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	r.change(req)
	return r.base.RoundTrip(req)
}

// await waits until ok returns true, and fails the test after a deadline.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
		poll := time.NewTimer(2 * time.Millisecond)
		select {
		case <-poll.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func millis() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) }
