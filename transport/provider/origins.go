package provider

// The origins of test networks, demo accounts and regional hosts. Such a key is of no use
// at the API's main origins, so name its own by WithOrigin, which replaces those of the
// profile:
//
//	client.New(ctx, src, client.WithProvider(provider.Binance()), client.WithOrigin(provider.BinanceTestnet))
//
// OKX's demo accounts are at its usual origins: set the header x-simulated-trading to 1.
const (
	// https://developers.binance.com/docs/binance-spot-api-docs/testnet
	// https://developers.binance.com/docs/binance-spot-api-docs/demo-mode
	BinanceTestnet        = "https://testnet.binance.vision"
	BinanceFuturesTestnet = "https://testnet.binancefuture.com"
	BinanceDemo           = "https://demo-api.binance.com"
	BinanceUS             = "https://api.binance.us" // docs.binance.us

	// https://bybit-exchange.github.io/docs/v5/guide
	// https://bybit-exchange.github.io/docs/v5/demo
	BybitTestnet     = "https://api-testnet.bybit.com"
	BybitDemo        = "https://api-demo.bybit.com"
	BybitEU          = "https://api.bybit.eu"
	BybitEmirates    = "https://api.bybit.ae"
	BybitGeorgia     = "https://api.bybitgeorgia.ge"
	BybitIndonesia   = "https://api.bybit.id"
	BybitKazakhstan  = "https://api.bybit.kz"
	BybitNetherlands = "https://api.bybit.nl"
	BybitTurkey      = "https://api.bybit-tr.com"

	// https://my.okx.com/docs-v5/en/#overview-production-trading-services
	// https://app.okx.com/docs-v5/en/#overview-production-trading-services
	OKXEurope = "https://eea.okx.com"
	OKXUS     = "https://us.okx.com"

	// https://docs.alpaca.markets/docs/paper-trading
	AlpacaPaper = "https://paper-api.alpaca.markets"
	// https://docs.bitmex.com
	BitMEXTestnet = "https://testnet.bitmex.com"
	// https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/sandbox
	CoinbaseCDPSandbox = "https://api-sandbox.coinbase.com"
	// https://docs.cdp.coinbase.com/exchange/introduction/sandbox
	CoinbaseExchangeSandbox = "https://api-public.sandbox.exchange.coinbase.com"
	// https://docs.deribit.com
	DeribitTestnet = "https://test.deribit.com"
	// https://www.gate.com/docs/developers/apiv4
	GateTestnet        = "https://api-testnet.gateapi.io"
	GateFuturesTestnet = "https://fx-api-testnet.gateio.ws"
	// https://developer.gemini.com/get-started/sandbox
	GeminiSandbox = "https://api.sandbox.gemini.com"
)
