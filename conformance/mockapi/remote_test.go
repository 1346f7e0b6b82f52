package mockapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// Package source/remote reads the key document over plain HTTP and TLS, with a token,
// and is notified of a rotation at once by a long poll. F80
func TestRemoteSourceReadsTheKeyDocument(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{
		"plain": nil, "TLS": {mockapi.WithTLS()}, "HTTP/2": {mockapi.WithHTTP2()},
	} {
		t.Run(name, func(t *testing.T) {
			api := mockapi.New(t, append(opts, mockapi.WithKeysToken("sentinel-keys-token"))...)
			v1 := api.Issue(mockapi.Spec{})
			token := source.Static(source.Key{Secret: source.NewSecret("sentinel-keys-token")})
			with := []remote.Option{remote.WithBearer(token)}
			if cfg := api.TLSConfig(); cfg != nil {
				with = append(with, remote.WithTLS(cfg))
			}
			src, err := remote.New(api.KeysURL(), with...)
			if err != nil {
				t.Fatal(err)
			}
			current := func(want source.Key) {
				t.Helper()
				set, err := src.Read(within(t))
				if err != nil {
					t.Fatal(err)
				}
				if !set.Complete || set.Keys[0].Version != want.Version || !set.Keys[0].SameContent(want) {
					t.Errorf("read %+v", set)
				}
			}
			current(v1)

			ctx, cancel := context.WithCancel(within(t))
			told := make(chan struct{}, 16)
			ended := make(chan error, 1)
			go func() { ended <- src.Notify(ctx, func() { told <- struct{}{} }) }()
			<-told // the long poll is set up
			v2 := api.Rotate(time.Hour)
			select {
			case <-told:
			case <-ctx.Done():
				t.Fatal("not told")
			}
			current(v2)
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}
