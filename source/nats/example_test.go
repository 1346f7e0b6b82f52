package nats_test

import (
	"context"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/rollingkeys/rollingkeys/source"
	rknats "github.com/rollingkeys/rollingkeys/source/nats"
)

func Example() {
	ctx := context.Background()
	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	ring, err := source.Keep(ctx, rknats.New(nc, "KEYS", "exchange"))
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	log.Print("in use: ", ring.Version())
}
