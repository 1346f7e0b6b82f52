package nats_test

import (
	"context"
	"log"

	"github.com/nats-io/nats.go"

	rknats "github.com/rollingkeys/rollingkeys/source/nats"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func Example() {
	ctx := context.Background()
	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	keys, err := ring.Keep(ctx, rknats.New(nc, "KEYS", "exchange"))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	log.Print("in use: ", keys.Version())
}
