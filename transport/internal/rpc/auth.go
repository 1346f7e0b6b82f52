// Package rpc lets RPCs fall back to a previous key: what transport/grpcauth and
// transport/connectauth have in common.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// A Protocol is how one RPC library tells of calls.
type Protocol struct {
	Package string // begins the texts of errors
	// Code is that of an error with which a call ended; OK for none, and for io.EOF.
	Code func(error) Code
	// Classify says what an error of the server's means for the key. If it panics, it has
	// nothing to say (F97).
	Classify func(error) transport.Verdict
	// Error makes an error of this side.
	Error func(Code, error) error
	// Redact returns an error of the same kind whose texts have passed through clean.
	Redact func(err error, clean func(string) string) error
}

// Options are those of an Auth that do not depend on the protocol.
type Options struct {
	Header, Prefix string
	Messages, Size int // the most that is kept of a stream
	Own            Own
}

// Own says what becomes of a credential that a call comes with.
type Own uint8

// Refuse is the default.
const (
	Refuse Own = iota
	Replace
	Pass
)

// An Auth draws keys from a ring. It is safe for concurrent use.
type Auth struct {
	Protocol
	Options
	ring *ring.Ring
	slot int
}

// New returns an Auth. named says that o.Header can be a header's name. The slot in the
// ring is given back when the Auth is gone (F116).
func New(keys *ring.Ring, p Protocol, o Options, named bool) *Auth {
	a := &Auth{Protocol: p, Options: o, ring: keys}
	var release func()
	a.slot, release, _ = keys.Prepare(func(key source.Key) (any, error) {
		value := o.Prefix + key.Secret.Expose()
		if key.Secret.IsZero() || !named || !header.ValidValue(value) { // F19
			return nil, fmt.Errorf("%s: %w: no header can carry it", p.Package, source.ErrUnusable)
		}
		return func() string { return value }, nil // a function, where no verb reaches (F93)
	}) // a key that cannot be used is the ring's to report
	if release != nil {
		runtime.AddCleanup(a, func(release func()) { release() }, release)
	}
	return a
}

// Admit looks at the values of the header that a call comes with, and returns a credential
// of the caller's own with which the call is to pass, if it has one and may. where is the
// header in the words of an error.
func (a *Auth) Admit(values []string, where string) (own string, err error) {
	i := slices.IndexFunc(values, func(v string) bool { return len(header.ParseCredential(v, a.Prefix)) > 0 })
	switch {
	case i < 0 || a.Own == Replace:
		return "", nil
	case a.Own == Pass:
		return values[i], nil
	}
	return "", a.Error(Internal, fmt.Errorf("%s: %w: %s; WithOverride replaces it, WithPassThrough lets it pass",
		a.Package, transport.ErrCredential, where))
}

// Caller has the ring count a call with a credential of the caller's own: nothing may be
// called safe to revoke because others do not use it (F114).
func (a *Auth) Caller(own, where string) ring.Attempt {
	return a.ring.Caller(where, header.ParseCredential(own, a.Prefix).IsOf)
}

// ended is the error for the end of ctx.
func (a *Auth) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return a.Error(DeadlineExceeded, ctx.Err())
	}
	return a.Error(Canceled, ctx.Err())
}
