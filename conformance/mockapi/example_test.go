package mockapi_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// A key is rotated with an overlap, and the old version is revoked before the
// overlap ends. A test would use New instead of Start and Close.
func Example() {
	api, err := mockapi.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer api.Close()

	ask := func(key source.Key) {
		req, _ := http.NewRequest(http.MethodGet, api.URL()+"/balance", nil)
		req.Header.Set("Authorization", "Bearer "+key.Secret.Expose())
		resp, err := api.Client().Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}

	v1 := api.Issue(mockapi.Spec{})
	ask(v1)
	v2 := api.Rotate(time.Hour)
	ask(v1)
	ask(v2)
	if err := api.Revoke(v1.Version); err != nil {
		log.Fatal(err)
	}
	ask(v1)

	for _, a := range api.Requests() {
		fmt.Println(a.Version, a.Method, a.Path, a.Status)
	}
	accepted, refused := api.Count("v1")
	fmt.Println("v1:", accepted, "accepted,", refused, "refused")
	// Output:
	// v1 GET /balance 200
	// v1 GET /balance 200
	// v2 GET /balance 200
	// v1 GET /balance 401
	// v1: 2 accepted, 1 refused
}
