package azcred

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// TokenCredential returns the key that ring uses now as a credential, for clients that
// send it as a bearer token. GetToken reads memory only and does not block. It takes no
// notice of its options: which scopes and tenant the key is for, its source has decided.
// An error wraps that of [ring.Ring.InUse]; the SDK does not retry it.
//
// A token expires as soon as it is handed out, so that the SDK asks for it before each
// try of each request, and never goes on with a key that was replaced.
func TokenCredential(keys *ring.Ring) azcore.TokenCredential { return tokenCredential{keys} }

type tokenCredential struct{ ring *ring.Ring }

// GetToken returns the key. Of the two times that an azcore.AccessToken has, RefreshOn
// does not do: azcore looks at it no more than every 30 s (F119).
func (c tokenCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	key, err := c.ring.InUse()
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("azcred: %w", err)
	}
	return azcore.AccessToken{Token: key.Secret.Expose(), ExpiresOn: time.Now()}, nil
}

// KeyCredential returns a credential that has the key that ring uses, and is kept up to
// date until stop is called: within the moment that the ring's events take, see
// [ring.Ring.Subscribe]. While the ring has no key to use, it is empty, and what is sent
// with it is refused. An error wraps that of [ring.Ring.InUse]; then there is nothing to
// stop. Call stop before the ring is closed or after; it may be called again.
func KeyCredential(keys *ring.Ring) (cred *azcore.KeyCredential, stop func(), err error) {
	if _, err := keys.InUse(); err != nil {
		return nil, nil, fmt.Errorf("azcred: %w", err)
	}
	cred = azcore.NewKeyCredential("")
	var mu sync.Mutex // or what was read first could be set last
	update := func() {
		mu.Lock()
		defer mu.Unlock()
		key, _ := keys.InUse()
		cred.Update(key.Secret.Expose())
	}
	stop = keys.Subscribe(func(ring.Event) { update() })
	update()
	return cred, stop, nil
}
