//go:build all

package sdks

import (
	"context"
	"net/http"

	"github.com/adshao/go-binance/v2"
	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/stripe/stripe-go/v82"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() {
	sdks = append(sdks, stripeGo, goBinance, alpacaGo)
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{Level: stripe.LevelNull}
}

var stripeGo = sdk{
	name: "stripe-go", module: "github.com/stripe/stripe-go/v82",
	profile: provider.Stripe(), // page: key
	refusal: &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"error":{"message":"Invalid API Key provided.","type":"invalid_request_error"}}`},
	answer: reply(`{"id":"cus_1","object":"customer"}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := stripe.NewClient(dummy,
			stripe.WithBackends(stripe.NewBackends(c.Client)), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.V1Customers.Retrieve(ctx, "cus_1", nil)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Description: &text})
				return err
			},
		}
	},
}

var goBinance = sdk{
	name: "go-binance", module: "github.com/adshao/go-binance/v2",
	profile: provider.Binance(), // page: key
	pair:    true,
	options: exchangeNamed("binance"),
	refused: "-2015",
	overlap: true,
	small:   true,
	answer:  byMethod(`{"canTrade":true,"balances":[]}`, `{"symbol":"BTCUSDT","orderId":1}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := binance.NewClient(dummy, dummy)
		cl.HTTPClient = c.Client // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.NewGetAccountService().Do(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.NewCreateOrderService().Symbol("BTCUSDT").Side(binance.SideTypeBuy).Type(binance.OrderTypeMarket).
					Quantity("1").NewClientOrderID(text).Do(ctx)
				return err
			},
		}
	},
	note: "Binance answers -2015 to a revoked key and to a missing permission alike: rotate with an overlap, or calls fail until the source has the new key.",
}

var alpacaGo = sdk{
	name: "alpaca-trade-api-go", module: "github.com/alpacahq/alpaca-trade-api-go/v3",
	profile: provider.Alpaca(), // page: key
	pair:    true,
	auth:    parts{"APCA-API-KEY-ID": idOf, "APCA-API-SECRET-KEY": secretOf},
	refusal: &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"code":40110000,"message":"request is not authorized"}`},
	refused: "not authorized",
	answer:  byMethod(`{"id":"1"}`, `{"id":"1"}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := alpaca.NewClient(alpaca.ClientOpts{
			APIKey: dummy, APISecret: dummy,
			HTTPClient: c.Client, // page: line
		})
		return calls{
			read: func(context.Context) error {
				_, err := cl.GetAccount()
				return err
			},
			write: func(_ context.Context, text string) error {
				_, err := cl.PlaceOrder(alpaca.PlaceOrderRequest{
					Symbol: "AAPL", Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day, ClientOrderID: text,
				})
				return err
			},
		}
	},
}
