package rpc_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

type oneKey struct{}

func (oneKey) Read(context.Context) (source.Set, error) {
	return source.Set{Keys: []source.Key{{Version: "v1", Secret: source.NewSecret("sentinel-1")}}}, nil
}

// A call whose context ends while every key is refused says both, also if it was never sent.
//
// F133
func TestBeginEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := ring.Keep(t.Context(), oneKey{}, ring.WithLogger(nil), ring.WithLockout(), ring.WithPoll(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		var code rpc.Code
		auth := rpc.New(keys, rpc.Protocol{
			Package: "rpctest",
			Error:   func(c rpc.Code, err error) error { code = c; return err },
		}, rpc.Options{Header: "authorization", Prefix: "Bearer "}, true)
		a, err := keys.Attempt(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		a.Refused()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = auth.Begin(ctx, new(rpc.Carrier), true)
		if !errors.Is(err, ring.ErrRefused) || !errors.Is(err, context.Canceled) || code != rpc.Canceled {
			t.Errorf("code %d: %v", code, err)
		}
	})
}
