// Tradingbot is a trading bot whose keys rotate while it trades:
//
//	go run ./examples/tradingbot -exchange kraken
//
// It runs a mock of the exchange (conformance/mockapi/exchange), which verifies
// every signature. The bot has two keys, one for reading and one for trading. Each is
// in a directory like that of a mounted Kubernetes Secret, with the files api-key,
// api-secret and, for some exchanges, passphrase. Both keys rotate again and again:
// the exchange first, the files first, and without an overlap. If the exchange has a
// WebSocket login, the bot logs in again when its key changes.
//
// At the end it compares the exchange's books with the bot's. The exit status is 1 if
// a request failed, an order was lost or placed twice, the login is out of date, or
// the output contains a secret. The first Ctrl-C ends it after the rotation under
// way, with the comparison; the second ends it at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

var profiles = map[string]func(...provider.Option) provider.Profile{
	"binance": provider.Binance, "bitfinex": provider.Bitfinex, "bitmex": provider.BitMEX, "bybit": provider.Bybit,
	"coinbasecdp": provider.CoinbaseCDP, "coinbaseexchange": provider.CoinbaseExchange, "deribit": provider.Deribit, "gate": provider.Gate,
	"gemini": provider.Gemini, "kraken": provider.Kraken, "kucoin": provider.KuCoin, "okx": provider.OKX,
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(profiles)), ", ")
	name := flag.String("exchange", "okx", "the exchange to trade on: "+names)
	rounds := flag.Int("rounds", 1, "how many times to rotate each key in each way")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	ok, err := run(ctx, os.Stdout, *name, *rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tradingbot:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run trades, rotates the keys and prints the report. It reports whether all went well.
func run(ctx context.Context, out io.Writer, name string, rounds int) (bool, error) {
	profile, ok := profiles[name]
	if !ok {
		return false, fmt.Errorf("unknown exchange %q", name)
	}
	var opts []exchange.Option
	if name == "binance" {
		opts = append(opts, exchange.WithKind(exchange.Ed25519)) // its WebSocket login requires this kind
	}
	e, err := exchange.New(name, opts...)
	if err != nil {
		return false, err
	}
	api, err := mockapi.Start(e.Options()...)
	if err != nil {
		return false, err
	}
	defer api.Close()
	desk, err := newDesk(api)
	if err != nil {
		return false, err
	}
	defer desk.remove()

	watch := &watcher{out: out}
	p := profile()
	p.Origins = []string{api.URL()}     // instead of the real exchange
	whole := context.WithoutCancel(ctx) // the bot ends after the rotations
	b, err := newBot(whole, e, p, api.URL(), desk, watch)
	if err != nil {
		return false, err
	}
	b.start()
	err = drill(ctx, desk, name, rounds, b.settled, watch)
	login := b.finish()
	if err != nil {
		return false, err
	}
	return report(watch, e, b, login), nil
}

// report prints the result and reports whether all went well.
func report(watch *watcher, e *exchange.Exchange, b *bot, login string) bool {
	books := audit(e.Orders(), b.taken)
	leaks := watch.leaks()
	fmt.Fprintf(watch, "\norders placed, canceled    %6d\n", len(b.taken))
	fmt.Fprintf(watch, "market data read           %6d\n", b.reads)
	fmt.Fprintf(watch, "refusals absorbed          %6d   by signing again with the other key\n", b.absorbed)
	fmt.Fprintf(watch, "requests failed            %6d\n", len(b.failures))
	fmt.Fprintf(watch, "orders lost                %6d   confirmed to the bot, not in the books\n", books.lost)
	fmt.Fprintf(watch, "orders doubled             %6d   twice in the books\n", books.doubled)
	fmt.Fprintf(watch, "orders unknown             %6d   in the books, not confirmed to the bot\n", books.unknown)
	fmt.Fprintf(watch, "orders left open           %6d   canceled by the bot, not in the books\n", books.open)
	fmt.Fprintf(watch, "WebSocket logins           %6d   %s\n", b.logins, login)
	fmt.Fprintf(watch, "secrets in output          %6d\n", leaks)
	for _, f := range b.failures[:min(len(b.failures), 5)] {
		fmt.Fprintf(watch, "  failure: %s\n", f)
	}
	return len(b.failures) == 0 && books == (findings{}) && leaks == 0 && len(b.taken) > 0 && b.reads > 0 && login != outOfDate
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
