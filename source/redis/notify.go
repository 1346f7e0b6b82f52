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

// silence is how long a subscription says nothing until it is asked whether it is still there.
const silence = 10 * time.Second

// Notify subscribes to the key's keyspace events, and to the channel if there is
// one, and calls changed at each message, as [source.Notifier] has it. Its
// errors are those of Read; a server that says that it sends no such events,
// with no channel beside them, is [source.ErrUnavailable].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, client *opened) error { return s.watch(ctx, client.Client, changed) })
}

func (s *Source) watch(ctx context.Context, client *redis.Client, changed func()) error {
	var mu sync.Mutex
	over := false
	heed := func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			changed()
		}
	}
	// F106: see Read. It must not hold up the ring's Close, nor call changed after it.
	_, err := await.Call(ctx, func() (struct{}, error) { return struct{}{}, s.listen(ctx, client, heed) })
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
		return fmt.Errorf("%w: notify-keyspace-events has not the K and the %s that it takes", source.ErrUnavailable, s.class())
	}
	sub := client.Subscribe(ctx, channels...)
	defer func() { _ = sub.Close() }()
	// Receiving heeds no context.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()

	for range channels {
		if _, err := sub.ReceiveTimeout(ctx, store.Patience); err != nil {
			return err
		}
	}
	changed() // F14: only now that we are subscribed
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
			return err // what was sent since the connection was lost, nobody sends again
		}
		asked = false
		if _, pong := got.(*redis.Pong); !pong {
			changed()
		}
	}
}

// class is the class of events that a write to the key belongs to.
func (s *Source) class() string {
	if s.fields != nil {
		return "h"
	}
	return "$"
}

// sends reports whether the server sends events for writes to the key. One that
// does not say is believed to.
func (s *Source) sends(ctx context.Context, client *redis.Client) bool {
	const name = "notify-keyspace-events"
	got, err := client.ConfigGet(ctx, name).Result()
	flags, said := got[name]
	if err != nil || !said {
		return true
	}
	return strings.Contains(flags, "K") && strings.ContainsAny(flags, "A"+s.class())
}
