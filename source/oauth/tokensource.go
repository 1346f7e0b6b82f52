package oauth

import (
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// lookAgain is how long a token of [TokenSource] is valid, by its Expiry. x/oauth2 treats a
// token as expired 10 s early, so oauth2.NewClient and oauth2.ReuseTokenSource, which keep a
// token, ask again after a second. Without an Expiry they would never ask again, and would go
// on with a key that was replaced.
const lookAgain = renewal + time.Second

// TokenSource returns a token source whose Token returns the key that the ring uses now, as a
// bearer token. It is for gRPC (google.golang.org/grpc/credentials/oauth) and for libraries
// that take an oauth2.TokenSource. It is safe for concurrent use. Token does not block, and
// its error is that of [ring.Ring.InUse]. A token's Expiry is 11 s from now, or the key's
// ExpiresAt if that is earlier. x/oauth2 therefore keeps a token for a second at most. The
// cache of cloud.google.com/go/auth keeps it for up to 11 s: see the package comment.
//
// The ring does not learn of refusals in this way and does not fall back. For HTTP requests,
// use this SDK's transport instead.
func TokenSource(keys *ring.Ring) oauth2.TokenSource { return tokenSource{keys} }

type tokenSource struct{ ring *ring.Ring }

func (t tokenSource) Token() (*oauth2.Token, error) {
	key, err := t.ring.InUse()
	if err != nil {
		return nil, err
	}
	expiry := time.Now().Add(lookAgain)
	if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(expiry) {
		expiry = key.ExpiresAt
	}
	return &oauth2.Token{AccessToken: key.Secret.Expose(), TokenType: "Bearer", Expiry: expiry}, nil
}
