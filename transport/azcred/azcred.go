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

// TokenCredential returns a credential for clients that send the key as a bearer token.
// Its token is the key that the ring uses now. GetToken only reads memory and does not
// block. It ignores its options: the source determines the scopes and the tenant of the
// key. An error wraps that of [ring.Ring.InUse]; the SDK does not retry it.
//
// A token expires as soon as it is returned. So the SDK asks for it before each try of
// each request, and never uses a key that was replaced.
func TokenCredential(keys *ring.Ring) azcore.TokenCredential { return tokenCredential{keys} }

type tokenCredential struct{ ring *ring.Ring }

// GetToken returns the key. It sets ExpiresOn and not RefreshOn, because azcore checks
// RefreshOn at most every 30 s (F119).
func (c tokenCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	key, err := c.ring.InUse()
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("azcred: %w", err)
	}
	return azcore.AccessToken{Token: key.Secret.Expose(), ExpiresOn: time.Now()}, nil
}

// KeyCredential returns a credential that holds the key that the ring uses. The ring's
// events update it (see [ring.Ring.Subscribe]) until stop is called. While the ring has
// no usable key, the credential is empty, and the server refuses requests that use it.
// An error wraps that of [ring.Ring.InUse]; then stop is nil. stop may be called before
// or after the ring is closed, and more than once.
func KeyCredential(keys *ring.Ring) (cred *azcore.KeyCredential, stop func(), err error) {
	if _, err := keys.InUse(); err != nil {
		return nil, nil, fmt.Errorf("azcred: %w", err)
	}
	cred = azcore.NewKeyCredential("")
	var mu sync.Mutex // without it an older key could be set last
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
