package redis_test

import (
	"context"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	rkredis "github.com/rollingkeys/rollingkeys/source/redis"
)

func Example() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	ring, err := source.Keep(ctx, rkredis.New(client, "keys:exchange"))
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	log.Print("in use: ", ring.Version())
}
