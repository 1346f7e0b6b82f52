// Mockapi runs a mock API that issues, rotates and revokes keys, for tests in any
// language. Start it with
//
//	go run ./conformance/mockapi/cmd/mockapi -issue
//
// It prints its addresses as one line of JSON:
//
//	{"url":"http://127.0.0.1:...","keys_url":"http://.../keys","admin_url":"http://.../admin/"}
//
// With -tls or -http2 the line also has the test CA's certificate, as ca_pem. The
// program runs until SIGINT or SIGTERM or, with -exit-with-stdin, until its
// standard input ends.
//
// # Flags
//
//	-listen, -keys, -admin ADDRESS  of the API, the key document, the admin API; 127.0.0.1:0 is the default
//	-token-env NAME                 the variable with the token that the last two need; allows addresses off loopback
//	-host NAME                      by which other machines reach the server
//	-auth HOW                       bearer, basic, header:NAME or query:NAME
//	-tls, -http2                    serve the API and the key document over TLS
//	-replicas NUMBER                of replicas; 1 is the default
//	-log-limit NUMBER               of attempts that the log keeps; 100000 is the default
//	-issue                          issue a first key, v1
//	-exit-with-stdin                exit when standard input ends
//
// # Other containers
//
// The admin API and the key document contain secrets, so the program listens on loopback
// only, unless it has a token, which requests for these two then need, as the header
// "Authorization: Bearer TOKEN". With the name of its container as host, other containers
// use the printed addresses:
//
//	MOCKAPI_TOKEN=$TOKEN mockapi -issue -token-env MOCKAPI_TOKEN -host mock \
//		-listen 0.0.0.0:8080 -keys 0.0.0.0:8081 -admin 0.0.0.0:8082
//
// # Use
//
// Set URL, KEYS and ADMIN to the three addresses, ADMIN without its trailing slash:
//
//	curl -s $ADMIN/
//	curl -s $ADMIN/openapi.json
//	curl -s $ADMIN/issue -d '{}'
//	curl -s $URL/anything -H "Authorization: Bearer $SECRET"
//	curl -s $URL/orders -H "Authorization: Bearer $SECRET" -d '{"client_order_id":"c-1"}'
//	curl -s $KEYS
//	curl -s $ADMIN/rotate -d '{"overlap":"10m"}'
//	curl -s $ADMIN/issue -d '{"id":"k-9","secret":"given","inactive":true}'
//	curl -s $ADMIN/activate -d '{"version":"v3","replicas":[0]}'
//	curl -s $ADMIN/deactivate -d '{"version":"v3"}'
//	curl -s $ADMIN/expire -d '{"version":"v1","after":"30s"}'
//	curl -s $ADMIN/revoke -d '{"version":"v1"}'
//	curl -s $ADMIN/unlist -d '{"version":"v2"}'
//	curl -s $ADMIN/list -d '{"version":"v2"}'
//	curl -s $ADMIN/refusal -d '{"preset":"invalid_token","delay":"50ms"}'
//	curl -s $ADMIN/refusal -d '{"preset":"none","status":403,"header":{"X-Why":["key"]},"body":"no"}'
//	curl -s $ADMIN/answer -d '{"body":"word by word","drip":"10ms"}'
//	curl -s $ADMIN/hold -d '{"version":"v2"}'
//	curl -s $ADMIN/release -d '{"version":"v2"}'
//	curl -s $ADMIN/replicas -d '{"count":3}'
//	curl -s $ADMIN/keys
//	curl -s "$ADMIN/requests?after=0&version=v1"
//	curl -s $ADMIN/orders
//	curl -s $ADMIN/counts
//	curl -s $ADMIN/reset -d '{}'
//
// The first call returns the addresses, and a list of all endpoints with what they do. The
// second returns an OpenAPI 3.1 description of them, for generators of clients. The calls
// take these fields:
//
//   - issue and rotate: the fields of a key in the key document, which they also
//     return; the durations after and valid_for; replicas, which maps replicas to
//     durations ({"0":"0s","2":"10s"}); inactive, pending and unlisted. rotate also
//     takes the duration overlap.
//   - refusal: preset, status, header, body, delay, drip, endless, read_body and
//     applied.
//   - answer: status, header, body, delay, drip and endless.
//
// The types Spec, Refusal and Answer in package mockapi document the fields. An
// invalid call gets 400, and an unknown version 404, each with {"error":"..."}.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := mockapi.Program(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
