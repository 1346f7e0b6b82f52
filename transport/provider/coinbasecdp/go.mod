module github.com/rollingkeys/rollingkeys/transport/provider/coinbasecdp

go 1.26.0

require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/rollingkeys/rollingkeys v0.1.0
)

require go.uber.org/goleak v1.3.0

replace github.com/rollingkeys/rollingkeys => ../../..
