package oauth_test

import (
	"context"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func ExampleTokenSource() {
	ctx := context.Background()
	key := source.Key{Version: "v1", Secret: source.NewSecret("key-of-the-ring")}
	keys, err := ring.Keep(ctx, source.Static(key), ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	var ts oauth2.TokenSource = oauth.TokenSource(keys) // for gRPC: grpcoauth.TokenSource{TokenSource: ts}
	token, err := ts.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Type(), token.AccessToken)
	// Output: Bearer key-of-the-ring
}

func ExampleFetch() {
	fetch := func(context.Context) (*oauth2.Token, error) { // usually conf.Token of a clientcredentials.Config
		return &oauth2.Token{AccessToken: "from-the-token-endpoint"}, nil
	}
	keys, err := ring.Keep(context.Background(), oauth.Fetch(fetch), ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	key, err := keys.InUse()
	fmt.Println(key.Secret, err)
	// Output: [redacted] <nil>
}
