package remote_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func ExampleNew() {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-this-service" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"keys": [{"version": "v2", "secret": "new"}, {"version": "v1", "secret": "old"}]}`)
	}))
	defer endpoint.Close()

	// In production the token comes from file.New or env.New, and may rotate.
	token := source.Static(source.Key{Secret: source.NewSecret("token-of-this-service")})
	src, err := remote.New(endpoint.URL, remote.WithBearer(token))
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := ring.Keep(context.Background(), src, ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	fmt.Println(keys.Version())
	// Output: v2
}
