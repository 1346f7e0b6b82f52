package oauth

import (
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// lookAgain is the Expiry of a token of [TokenSource], from now. x/oauth2 takes
// a token for expired 10 s before it is, so what keeps one (oauth2.NewClient
// and oauth2.ReuseTokenSource do) asks again after a second. With no Expiry it
// would never ask again, and go on with a key that was replaced.
const lookAgain = renewal + time.Second

// TokenSource returns the key that ring uses now as a bearer token, for gRPC
// (google.golang.org/grpc/credentials/oauth) and libraries that take an
// oauth2.TokenSource. Token does not block; its errors are those of
// [ring.Ring.InUse]. A token's Expiry is 11 s from now, or the key's own if
// that comes first, so that x/oauth2 holds on to it for no longer than a second; the
// cache of cloud.google.com/go/auth does for up to 11 s, see the package comment.
//
// The ring learns nothing of refusals this way and does not fall back; what
// sends HTTP requests does better with the project's transport.
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
