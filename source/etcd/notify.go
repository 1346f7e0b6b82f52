package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rollingkeys/rollingkeys/source"
)

// Notify watches the key and calls changed when the key was put or deleted: see
// [source.Notifier]. Its errors are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, client *clientv3.Client) error { return s.watch(ctx, client, changed) })
}

func (s *Source) watch(ctx context.Context, client *clientv3.Client, changed func()) error {
	for {
		err := s.watchOnce(ctx, client, changed)
		if ctx.Err() != nil || !errors.Is(err, rpctypes.ErrCompacted) {
			return err
		}
		// At the beginning of the next watch changed makes the ring read the missed changes.
	}
}

func (s *Source) watchOnce(ctx context.Context, client *clientv3.Client, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watch on the server too
	// F104: use a watcher of its own. The client's watcher keeps its stream open if a watch
	// ends just as it begins.
	watcher := clientv3.NewWatcher(client)
	defer watcher.Close()
	// F14: the watch reports the changes after its creation. The server confirms the
	// creation, and then changed makes the ring read, so no change is missed.
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
