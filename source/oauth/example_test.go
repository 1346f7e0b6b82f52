package oauth_test

import (
	"context"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
)

func ExampleTokenSource() {
	ctx := context.Background()
	key := source.Key{Version: "v1", Secret: source.NewSecret("key-of-the-ring")}
	ring, err := source.Keep(ctx, source.Static(key), source.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()

	var ts oauth2.TokenSource = oauth.TokenSource(ring) // for gRPC: grpcoauth.TokenSource{TokenSource: ts}
	token, err := ts.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Type(), token.AccessToken)
	// Output: Bearer key-of-the-ring
}

func ExampleFetch() {
	fetch := func(context.Context) (*oauth2.Token, error) { // as a rule: conf.Token of a clientcredentials.Config
		return &oauth2.Token{AccessToken: "from-the-token-endpoint"}, nil
	}
	ring, err := source.Keep(context.Background(), oauth.Fetch(fetch), source.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	key, err := ring.InUse()
	fmt.Println(key.Secret, err)
	// Output: [redacted] <nil>
}
