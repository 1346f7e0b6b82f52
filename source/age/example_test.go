package age_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"filippo.io/age"

	rkage "github.com/rollingkeys/rollingkeys/source/age"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A program restarts while its source is down, and uses the cached keys.
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
	cache := rkage.Cache(ring.FileCache(filepath.Join(dir, "keys.age")), identity.Recipient(), identity)

	src := &store{key: "key-of-the-day"}
	keys, err := ring.Keep(ctx, src, ring.WithCache(cache), ring.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	keys.Close()

	src.put("") // the source is down
	keys, err = ring.Keep(ctx, src, ring.WithCache(cache), ring.WithLogger(nil))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	fmt.Println(keys.Version() != "", keys.Status().Stale)
	// Output: true true
}
