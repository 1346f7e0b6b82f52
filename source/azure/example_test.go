package azure_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rollingkeys/rollingkeys/source/azure"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A program gets its client from azsecrets.NewClient. The client here belongs to a stub of the
// service, whose vault has the secret "key".
func ExampleNew() {
	store := newStub(nil)
	store.add("9f3c", `{"id":"id-1","secret":"sentinel-s-1"}`)
	client := store.client()

	ctx := context.Background()
	keys, err := ring.Keep(ctx, azure.New(client, "key", azure.WithNames("id", "secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	fmt.Println(keys.Version())

	store.add("b07d", `{"id":"id-2","secret":"sentinel-s-2"}`)
	if err := keys.Refresh(ctx); err != nil { // or wait for the poll
		log.Fatal(err)
	}
	for _, v := range keys.Status().Versions {
		fmt.Println(v.Version, v.Role)
	}
	// Output:
	// 9f3c
	// b07d current
	// 9f3c previous
}
