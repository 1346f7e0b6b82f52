package transport

import "github.com/rollingkeys/rollingkeys/transport/internal/origin"

var (
	// ErrOrigin: the request goes to an origin that the key is not bound to.
	ErrOrigin = origin.ErrOrigin
	// ErrInsecure: the key would go over plain http to a host other than loopback.
	ErrInsecure = origin.ErrInsecure
)
