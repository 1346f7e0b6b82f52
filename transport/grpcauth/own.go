package grpcauth

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Where a caller's own credential is found.
const (
	inMetadata    = "metadata"
	inCredentials = "grpc.PerRPCCredentials"
)

// credential reports whether a value of the header is one: an empty one is not, nor
// a scheme's word with nothing behind it.
func (a *Auth) credential(value string) bool {
	value = strings.TrimSpace(value)
	words := []string{"", strings.TrimSpace(a.opts.prefix), "Bearer", "Basic", "Token", "ApiKey", "Key", "Bot"}
	return !slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(value, word) })
}

func (a *Auth) ownCredential(where string) error {
	return &callError{codes.Internal, fmt.Errorf("grpcauth: %w: %q in %s; WithOverride replaces it, WithPassThrough lets it pass",
		transport.ErrCredential, a.opts.header, where)}
}

// caller has the ring count a call with a credential of the caller's own: nothing
// may be called safe to revoke because others do not use it (F114).
func (a *Auth) caller(value, where string) ring.Attempt {
	value = strings.TrimSpace(value)
	_, rest, _ := strings.Cut(value, " ")
	whole, part := source.NewSecret(value), source.NewSecret(strings.TrimSpace(rest))
	return a.ring.Caller(fmt.Sprintf("%q of %s", a.opts.header, where),
		func(key source.Key) bool { return key.Secret.Equal(whole) || key.Secret.Equal(part) })
}
