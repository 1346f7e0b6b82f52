package etcd_test

import (
	"context"
	"log"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rollingkeys/rollingkeys/source/etcd"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func Example() {
	ctx := context.Background()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:2379"}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	keys, err := ring.Keep(ctx, etcd.New(client, "keys/exchange"))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	log.Print("in use: ", keys.Version())
}
