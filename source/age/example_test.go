package age_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"filippo.io/age"

	"github.com/rollingkeys/rollingkeys/source"
	rkage "github.com/rollingkeys/rollingkeys/source/age"
)

// A restart while the source is down goes on with the cached keys.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	identity, err := age.GenerateX25519Identity() // keep its String() in a safe place
	if err != nil {
		log.Fatal(err)
	}
	cache := rkage.Cache(source.FileCache(filepath.Join(dir, "keys.age")), identity.Recipient(), identity)

	src := &store{key: "key-of-the-day"}
	ring, err := source.Keep(ctx, src, source.WithCache(cache), source.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	ring.Close()

	src.put("") // the source is down
	ring, err = source.Keep(ctx, src, source.WithCache(cache), source.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	fmt.Println(ring.Version() != "", ring.Status().Stale)
	// Output: true true
}
