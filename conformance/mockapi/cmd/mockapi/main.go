// Mockapi runs a mock API with a whole key life, for tests in any language.
//
//	go run ./conformance/mockapi/cmd/mockapi -issue
//
// prints one line of JSON with the addresses it took, on loopback,
//
//	{"url":"http://127.0.0.1:...","keys_url":"http://.../keys","admin_url":"http://.../admin/"}
//
// and runs until SIGINT or SIGTERM or, with -exit-with-stdin, until its standard
// input ends. With -tls or -http2 the line also has the test CA, under ca_pem.
// It refuses addresses off loopback. -help lists all flags.
//
// # Use
//
// With URL, KEYS and ADMIN set to those addresses, ADMIN without the slash at its end:
//
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
// issue and rotate take and return the fields of a key in the key document. They
// also take after, valid_for and, by replica, replicas ({"0":"0s","2":"10s"}),
// which are durations; inactive, pending and unlisted; rotate takes overlap. A
// refusal also takes drip, endless, read_body and applied; an answer, which is what
// accepted requests get, status, header, body, delay, drip and endless. What they
// mean stands with Spec, Refusal and Answer in package mockapi. Mistakes are answered with
// 400 or, for a version that was never issued, 404, and {"error":"..."}.
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
