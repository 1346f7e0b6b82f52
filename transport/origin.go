package transport

import "github.com/rollingkeys/rollingkeys/transport/internal/origin"

var (
	// ErrOrigin means that the request goes to an origin that the key is not bound to,
	// or that no origin was named: see [WithOrigin].
	ErrOrigin = origin.ErrOrigin
	// ErrInsecure means that the key would be sent over plain http to a host other than
	// loopback: see [WithInsecureHTTP].
	ErrInsecure = origin.ErrInsecure
)
