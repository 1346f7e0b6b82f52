package exchange_test

import (
	"context"
	"fmt"
	"io"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A client for Kraken sends an order to a simulated Kraken, which verifies its
// signature.
func Example() {
	e, err := exchange.New("kraken")
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := mockapi.Start(e.Options()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()

	p := provider.Kraken()
	p.Origins = []string{api.URL()} // in place of https://api.kraken.com
	ctx := context.Background()
	c, err := client.New(ctx, keys{api.Issue(mockapi.Spec{})}, client.WithProvider(p))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	req, err := e.Place(ctx, api.URL(), "rk-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	for _, o := range e.Orders() {
		fmt.Println("in the books:", o.ClientID, "with", o.Version)
	}
	// Output:
	// {"error":[],"result":{"txid":["O1"],"cl_ord_id":"rk-1"}} <nil>
	// in the books: rk-1 with v1
}
