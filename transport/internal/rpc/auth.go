// Package rpc makes RPCs fall back to a previous key. transport/grpcauth and
// transport/connectauth share it.
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

// A Protocol says how one RPC library describes errors.
type Protocol struct {
	Package string // begins the error texts
	// Code returns the code of the error that ended a call. It is OK for nil and
	// io.EOF.
	Code func(error) Code
	// Classify decides what an error from the server means for the key. If it panics,
	// the error says nothing about the key (F97).
	Classify func(error) transport.Verdict
	// Error returns an error that was detected on the client.
	Error func(Code, error) error
	// Redact returns an error of the same kind, with its texts replaced by the results
	// of clean.
	Redact func(err error, clean func(string) string) error
}

// Options are the options of an Auth that both protocols have.
type Options struct {
	Header, Prefix string
	Messages, Size int // limits of what is kept of a stream; Size is in bytes
	Own            Own
}

// Own says what to do with a credential that a call already has.
type Own uint8

// The choices: Refuse, the default, makes the call fail; Replace replaces the
// credential by the ring's key; Pass sends the call unchanged.
const (
	Refuse Own = iota
	Replace
	Pass
)

// An Auth takes keys from a ring. It is safe for concurrent use.
type Auth struct {
	Protocol
	Options
	ring *ring.Ring
	slot int
}

// New returns an Auth. named says that o.Header is a valid name. The Auth releases its
// slot in the ring when it is garbage collected (F116).
func New(keys *ring.Ring, p Protocol, o Options, named bool) *Auth {
	a := &Auth{Protocol: p, Options: o, ring: keys}
	var release func()
	a.slot, release, _ = keys.Prepare(func(key source.Key) (any, error) {
		value := o.Prefix + key.Secret.Expose()
		if key.Secret.IsZero() || !named || !header.ValidValue(value) { // F19
			return nil, fmt.Errorf("%s: %w: a header cannot carry it: want a valid name, and a secret of visible ASCII", p.Package, source.ErrUnusable)
		}
		return func() string { return value }, nil // fmt cannot print what a function holds (F93)
	}) // the ring reports a key that cannot be used
	if release != nil {
		runtime.AddCleanup(a, func(release func()) { release() }, release)
	}
	return a
}

// Admit checks the values of the header that a call already has. If the call has a
// credential and Own is Pass, Admit returns the credential; if Own is Refuse, it
// returns an error. where names the header in the error.
func (a *Auth) Admit(values []string, where string) (own string, err error) {
	i := slices.IndexFunc(values, func(v string) bool { return len(header.ParseCredential(v, a.Prefix)) > 0 })
	switch {
	case i < 0 || a.Own == Replace:
		return "", nil
	case a.Own == Pass:
		return values[i], nil
	}
	return "", a.Error(Internal, fmt.Errorf("%s: %w: %s: use WithOverride to replace it, or WithPassThrough to send it",
		a.Package, transport.ErrCredential, where))
}

// Caller makes the ring count a call with the caller's own credential, so that the ring
// does not report its version as safe to revoke (F114).
func (a *Auth) Caller(own, where string) ring.Attempt {
	return a.ring.Caller(where, header.ParseCredential(own, a.Prefix).IsOf)
}

// ended returns err, which wraps the error of a ctx that is done, with its code.
func (a *Auth) ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return a.Error(DeadlineExceeded, err)
	}
	return a.Error(Canceled, err)
}
