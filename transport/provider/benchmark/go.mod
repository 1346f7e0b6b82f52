module github.com/rollingkeys/rollingkeys/transport/provider/benchmark

go 1.26.0

require (
	github.com/adshao/go-binance/v2 v2.8.7
	github.com/rollingkeys/rollingkeys v0.0.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/shopspring/decimal v1.4.0 // indirect
)

replace github.com/rollingkeys/rollingkeys => ../../..
