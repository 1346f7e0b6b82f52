package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// silence is how long the source waits for a message until it sends a ping.
const silence = 10 * time.Second

// Notify subscribes to the key's keyspace events, and to the channel of [WithChannel] if
// there is one. It calls changed at each message: see [source.Notifier]. Its errors are those
// of Read. If there is no channel and the server says that it sends no such events, the error
// wraps [source.ErrUnavailable].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, client *opened) error { return s.watch(ctx, client.Client, changed) })
}

func (s *Source) watch(ctx context.Context, client *redis.Client, changed func()) error {
	var mu sync.Mutex
	over := false
	notify := func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			changed()
		}
	}
	// F106: see Read. A call that goes on must neither delay the ring's Close nor call
	// changed after it.
	_, err := await.Call(ctx, func() (struct{}, error) { return struct{}{}, s.listen(ctx, client, notify) })
	mu.Lock()
	defer mu.Unlock()
	over = true
	return err
}

func (s *Source) listen(ctx context.Context, client *redis.Client, changed func()) error {
	channels := []string{fmt.Sprintf("__keyspace@%d__:%s", client.Options().DB, s.key)}
	if s.channel != "" {
		channels = append(channels, s.channel)
	} else if !s.sends(ctx, client) {
		return fmt.Errorf("%w: the server sends no events: its notify-keyspace-events needs K and %s", source.ErrUnavailable, s.class())
	}
	sub := client.Subscribe(ctx, channels...)
	defer func() { _ = sub.Close() }()
	// ReceiveTimeout ignores the context, so close the subscription when ctx ends.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()

	for range channels {
		if _, err := sub.ReceiveTimeout(ctx, store.Patience); err != nil {
			return err
		}
	}
	changed() // F14: not before the subscription
	for asked := false; ; {
		got, err := sub.ReceiveTimeout(ctx, silence)
		var failed net.Error
		switch {
		case errors.As(err, &failed) && failed.Timeout() && !asked:
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			asked = true
			continue
		case err != nil:
			return err // Redis does not repeat messages, so the ring must read after the next subscription
		}
		asked = false
		if _, pong := got.(*redis.Pong); !pong {
			changed()
		}
	}
}

// class returns the class of the events that a write to the key causes.
func (s *Source) class() string {
	if s.fields != nil {
		return "h"
	}
	return "$"
}

// sends reports whether the server sends events for writes to the key. If the server does not
// say, sends returns true.
func (s *Source) sends(ctx context.Context, client *redis.Client) bool {
	const name = "notify-keyspace-events"
	got, err := client.ConfigGet(ctx, name).Result()
	flags, said := got[name]
	if err != nil || !said {
		return true
	}
	return strings.Contains(flags, "K") && strings.ContainsAny(flags, "A"+s.class())
}
