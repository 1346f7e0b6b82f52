package aws_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rollingkeys/rollingkeys/source/aws"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A program gets its client from secretsmanager.NewFromConfig. The client here belongs to a stub
// of the service, which has the secret "prod/key".
func ExampleNew() {
	store := newStub(exampleTB{})
	defer store.stop()
	store.rotate("9f3c", `{"api-key":"id-1","api-secret":"sentinel-s-1"}`)
	client := store.client()

	ctx := context.Background()
	keys, err := ring.Keep(ctx, aws.New(client, "prod/key", aws.WithNames("api-key", "api-secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	fmt.Println(keys.Version())

	store.rotate("b07d", `{"api-key":"id-2","api-secret":"sentinel-s-2"}`)
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
