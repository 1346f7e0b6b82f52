module github.com/rollingkeys/rollingkeys/transport/connectauth

go 1.26.0

require (
	connectrpc.com/connect v1.21.1
	github.com/rollingkeys/rollingkeys v0.1.0
	go.uber.org/goleak v1.3.0
	google.golang.org/protobuf v1.36.11
)

replace github.com/rollingkeys/rollingkeys => ../..
