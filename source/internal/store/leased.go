package store

import (
	"context"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
)

// A Leased source uses a client of type C, which it leases while it reads and while it watches.
type Leased[C any] struct {
	Source
	Client *lease.Client[C]
}

// Read is [Source.Read] with a read that gets the client.
func (l *Leased[C]) Read(ctx context.Context, read func(context.Context, C) (source.Set, error)) (source.Set, error) {
	return l.Source.Read(ctx, func(ctx context.Context) (set source.Set, err error) {
		err = l.hold(ctx, func(client C) error {
			set, err = read(ctx, client)
			return err
		})
		return set, err
	})
}

// Notify is [Source.Notify] with a watch that gets the client.
func (l *Leased[C]) Notify(ctx context.Context, watch func(context.Context, C) error) error {
	return l.Source.Notify(ctx, func(ctx context.Context) error {
		return l.hold(ctx, func(client C) error { return watch(ctx, client) })
	})
}

// hold calls use with the client. It releases the client when use returns, or already when ctx
// ends: while the client of NATS reconnects to a server that says nothing, use blocks for 5 s,
// and only closing the client ends that (F78, F106).
func (l *Leased[C]) hold(ctx context.Context, use func(C) error) error {
	client, release, err := l.Client.Get(ctx)
	if err != nil {
		return err
	}
	release = sync.OnceFunc(release)
	defer release()
	defer context.AfterFunc(ctx, release)()
	return use(client)
}
