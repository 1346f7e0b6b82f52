package redis_test

import (
	"context"
	"log"

	"github.com/redis/go-redis/v9"

	rkredis "github.com/rollingkeys/rollingkeys/source/redis"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func Example() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	keys, err := ring.Keep(ctx, rkredis.New(client, "keys:exchange"))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	log.Print("in use: ", keys.Version())
}
