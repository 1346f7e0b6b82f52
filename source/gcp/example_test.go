package gcp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rollingkeys/rollingkeys/source/gcp"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A program gets its client from secretmanager.NewClient. The client here belongs to a stub
// of the service, which has the secret "key" in the project "acme".
func ExampleNew() {
	store := newStub(&exampleTB{})
	defer store.t.(*exampleTB).end()
	store.add(`{"id":"id-1","secret":"sentinel-s-1"}`)
	client := store.client()

	ctx := context.Background()
	keys, err := ring.Keep(ctx, gcp.New(client, "projects/acme/secrets/key", gcp.WithNames("id", "secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	fmt.Println(keys.Version())

	store.add(`{"id":"id-2","secret":"sentinel-s-2"}`)
	if err := keys.Refresh(ctx); err != nil { // or wait for the poll
		log.Fatal(err)
	}
	for _, v := range keys.Status().Versions {
		fmt.Println(v.Version, v.Role)
	}
	// Output:
	// 1
	// 2 current
	// 1 previous
}
