package transport

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"runtime"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/origin"
)

// New returns a transport that takes keys from the ring and puts them on requests as
// scheme says. New does not fail: if an argument is invalid, [Transport.Err] and every
// request return the error. New does not block.
func New(keys *ring.Ring, scheme Scheme, opts ...Option) *Transport {
	t, o := build(scheme, opts)
	if t.err == nil && keys == nil {
		t.err = fmt.Errorf("transport: %w: New was given no ring", source.ErrNoKey)
	}
	if t.err == nil {
		var release func()
		t.slot, release, _ = keys.Prepare(prepare(scheme)) // the ring reports a key that the scheme cannot use
		runtime.AddCleanup(t, func(release func()) { release() }, release)
		t.draw(keys, o)
	}
	return t
}

// Keep calls [ring.Keep] and New. The scheme also checks the keys of the first set,
// which a transport made by New cannot do: its ring has them already. To release
// everything, close the ring: t.Ring().Close(). Keep blocks like ring.Keep, until there
// is a first key or ctx is done. Its errors are those of ring.Keep, or say which
// argument is invalid.
func Keep(ctx context.Context, src source.Source, scheme Scheme, keys []ring.Option, opts ...Option) (*Transport, error) {
	t, o := build(scheme, opts)
	if t.err != nil {
		return nil, t.err
	}
	kept, err := ring.Keep(ctx, src, append([]ring.Option{ring.WithPrepare(prepare(scheme))}, keys...)...)
	if err != nil {
		return nil, err
	}
	t.draw(kept, o)
	return t, nil
}

// build makes a transport without a ring.
func build(scheme Scheme, opts []Option) (*Transport, *options) {
	o := &options{}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(o)
		}
	}
	t := &Transport{base: o.base, classifier: o.classifier, replay: o.replay, header: o.header,
		override: o.override, passes: o.passThrough, observer: o.observer}
	if t.base == nil {
		t.base = http.DefaultTransport // F45: its value at this moment
	}
	switch {
	case scheme == nil:
		t.err = fmt.Errorf("transport: %w: no scheme", source.ErrNoKey)
	case o.first:
		t.origins = origin.First(o.insecure)
	default:
		t.origins, t.err = origin.New(o.origins, o.insecure)
		if t.err != nil && len(o.origins) == 0 {
			t.err = fmt.Errorf("%w; or let the first request choose, by transport.WithOriginOfFirstRequest(), in a client within client.WithTransport", t.err)
		}
	}
	if t.err == nil {
		t.traits, t.err = traitsOf(scheme)
		if needs, keyless := t.traits.NeedsKey, o.keyless; keyless != nil {
			t.traits.NeedsKey = func(req *http.Request) bool { return (needs == nil || needs(req)) && !keyless(req) }
		}
		t.places = placesOf(t.traits, o.override)
		if t.err == nil {
			t.err = t.traits.check()
		}
	}
	if t.traits.Sequential {
		t.turn = make(chan struct{}, 1)
	}
	return t, o
}

func prepare(scheme Scheme) func(source.Key) (any, error) {
	return func(key source.Key) (any, error) {
		signer, err := scheme.Prepare(key)
		// A Signer that holds a nil function is not nil, but cannot sign.
		if v := reflect.ValueOf(signer); err == nil && (signer == nil || v.Kind() == reflect.Func && v.IsNil()) {
			err = fmt.Errorf("transport: %w: the scheme made no signer", source.ErrUnusable)
		}
		if err != nil {
			return nil, err
		}
		if f, ok := signer.(SignerFunc); ok {
			return f, nil
		}
		return SignerFunc(signer.Sign), nil
	}
}

func (t *Transport) draw(keys *ring.Ring, o *options) {
	t.ring = keys
	if o.recycle {
		base := t.base // not t: the ring must not keep t reachable (F116)
		stop := keys.Subscribe(func(e ring.Event) {
			if e.Kind == ring.Switched || e.Kind == ring.RolledBack {
				closeIdle(base)
			}
		})
		runtime.AddCleanup(t, func(stop func()) { stop() }, stop)
	}
}
