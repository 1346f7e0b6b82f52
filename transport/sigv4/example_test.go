package sigv4_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// An API is behind AWS's gateway. Here it is a stand-in that checks signatures. In a
// program the key comes from a file or a secrets manager.
func ExampleProfile() {
	key := source.Key{ID: "AKIDEXAMPLE", Secret: source.NewSecret("wJalrXUtnFEMI")}
	api := httptest.NewServer(&endpoint{
		service: "execute-api", region: "eu-central-1", served: make(map[string]int),
		keys: map[string]string{key.ID: key.Secret.Expose()},
	})
	defer api.Close()

	c, err := client.New(context.Background(), source.Static(key),
		client.WithProvider(sigv4.Profile("execute-api", "eu-central-1")), client.WithOrigin(api.URL))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	resp, err := c.Get(api.URL + "/orders?limit=10")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// The clients of the AWS SDK that are made from cfg use the ring's keys. In a program
// cfg comes from config.LoadDefaultConfig, and the key from a file or a secrets
// manager.
func ExampleConfigure() {
	ctx := context.Background()
	keys, err := ring.Keep(ctx, source.Static(source.Key{ID: "AKIDEXAMPLE", Secret: source.NewSecret("wJalrXUtnFEMI")}))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()

	cfg := aws.Config{Region: "eu-central-1"}
	sigv4.Configure(&cfg, keys)
	// client := s3.NewFromConfig(cfg)

	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.AccessKeyID)
	// Output: AKIDEXAMPLE
}
