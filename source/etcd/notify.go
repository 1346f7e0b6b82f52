package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rollingkeys/rollingkeys/source"
)

// Notify watches the key and calls changed when it was put or deleted, as
// [source.Notifier] has it. Its errors are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, client *clientv3.Client) error { return s.watch(ctx, client, changed) })
}

func (s *Source) watch(ctx context.Context, client *clientv3.Client, changed func()) error {
	for {
		err := s.watchOnce(ctx, client, changed)
		if ctx.Err() != nil || !errors.Is(err, rpctypes.ErrCompacted) {
			return err
		}
		// What was missed is read when the next watch is armed.
	}
}

func (s *Source) watchOnce(ctx context.Context, client *clientv3.Client, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watch on the server too
	// A watcher of our own: the client's keeps its stream if the watch is ended
	// just as it begins (F104).
	watcher := clientv3.NewWatcher(client)
	defer watcher.Close()
	// A watch without a revision begins with what comes after its creation, of
	// which the server tells: F14, the reading that changed asks for is later.
	for got := range watcher.Watch(clientv3.WithRequireLeader(ctx), s.key, clientv3.WithCreatedNotify()) {
		if err := got.Err(); err != nil {
			return err
		}
		if got.Created || len(got.Events) > 0 {
			changed()
		}
	}
	return fmt.Errorf("%w: the watch ended", source.ErrUnavailable)
}
