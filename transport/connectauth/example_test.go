package connectauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/connectauth"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// A client calls a Connect API. Here a stand-in accepts the key before the newest. In a
// program the keys come from a file or a secrets manager.
func ExampleNew() {
	ctx := context.Background()
	api := serve(true, "v1")
	defer api.Close()

	keys := drill.NewStore(drill.Keys("v2", "v1")...)
	live, err := ring.Keep(ctx, keys, ring.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()
	auth := connectauth.New(live, connectauth.WithOrigin(api.URL))
	client := connect.NewClient[wrapperspb.BytesValue, wrapperspb.BytesValue](
		&http.Client{Transport: auth.Transport(api.Client().Transport)}, api.URL+"/test.Calls/Unary",
		connect.WithInterceptors(auth))
	resp, err := client.CallUnary(ctx, connect.NewRequest(wrapperspb.Bytes([]byte("order"))))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, with %s\n", resp.Msg.Value, live.Version())
	// Output: order, with v1
}
