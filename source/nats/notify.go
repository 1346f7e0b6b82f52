package nats

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// Notify watches the key, and calls changed when the key was put, deleted or purged, and
// after a lost connection: see [source.Notifier]. Its errors are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, nc *nats.Conn) error { return s.watch(ctx, nc, changed) })
}

func (s *Source) watch(ctx context.Context, nc *nats.Conn, changed func()) error {
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	for ctx.Err() == nil {
		if err := s.watchOnce(ctx, nc, status, changed); err != nil {
			return blame(nc, err)
		}
	}
	return nil
}

// watchOnce watches the key. It returns nil when the client has reconnected after it lost its
// connection.
func (s *Source) watchOnce(ctx context.Context, nc *nats.Conn, status <-chan nats.Status, changed func()) error {
	arming, cancel := context.WithTimeout(ctx, store.Patience)
	defer cancel()
	kv, err := s.bucketOf(arming, nc)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, s.key, jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	changed() // F14: not before the watch has begun
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("%w: the watch ended", source.ErrUnavailable)
			}
			if entry != nil {
				s.hear(entry)
				changed()
			}
		case now := <-status:
			if now == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
