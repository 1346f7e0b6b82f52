package main

import (
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A drill controls both ends of a rotation: the server and the mounted file.
type drill struct {
	admin   admin
	mount   *mount
	current source.Key
}

// steps are the rotations, each in a way that usually breaks requests.
var steps = []struct {
	name string
	run  func(*drill, context.Context) error
}{
	{"server and file together, with an overlap", (*drill).together},
	{"file first: the server does not know the new key yet", (*drill).fileFirst},
	{"server first, no overlap: the old key is revoked before the new one is mounted", (*drill).serverFirst},
	{"late replicas: two of three accept the new key later", (*drill).lateReplicas},
	{"rollback: the file goes back to the old key, and forward again", (*drill).rollback},
	{"revocation: the old key is revoked while requests with it are under way", (*drill).revocation},
	{"half-written file: the new key is written in place, in two halves", (*drill).halves},
}

func (d *drill) together(ctx context.Context) error {
	next, err := d.admin.rotate(ctx, 300*time.Millisecond)
	if err != nil {
		return err
	}
	return d.mounted(ctx, next, 600*time.Millisecond)
}

func (d *drill) fileFirst(ctx context.Context) error {
	next, err := d.admin.issue(ctx, fields{"inactive": true})
	if err != nil {
		return err
	}
	old := d.current
	if err := d.mounted(ctx, next, 400*time.Millisecond); err != nil {
		return err
	}
	if err := d.admin.activate(ctx, next.Version); err != nil {
		return err
	}
	pause(ctx, 300*time.Millisecond)
	return d.admin.expire(ctx, old.Version)
}

func (d *drill) serverFirst(ctx context.Context) error {
	next, err := d.admin.rotate(ctx, 0)
	if err != nil {
		return err
	}
	pause(ctx, 400*time.Millisecond)
	return d.mounted(ctx, next, 400*time.Millisecond)
}

func (d *drill) lateReplicas(ctx context.Context) error {
	next, err := d.admin.issue(ctx, fields{"replicas": map[int]string{0: "0s", 1: "300ms", 2: "600ms"}})
	if err != nil {
		return err
	}
	old := d.current
	if err := d.mounted(ctx, next, 900*time.Millisecond); err != nil {
		return err
	}
	return d.admin.expire(ctx, old.Version)
}

func (d *drill) rollback(ctx context.Context) error {
	old := d.current
	next, err := d.admin.rotate(ctx, time.Minute)
	if err != nil {
		return err
	}
	for _, key := range []source.Key{next, old, next} {
		if err := d.mounted(ctx, key, 250*time.Millisecond); err != nil {
			return err
		}
	}
	return d.admin.expire(ctx, old.Version)
}

func (d *drill) revocation(ctx context.Context) error {
	old := d.current
	next, err := d.admin.rotate(ctx, time.Minute)
	if err != nil {
		return err
	}
	if err := d.mount.swap(next.Secret.Expose()); err != nil {
		return err
	}
	d.current = next
	err = d.admin.revoke(ctx, old.Version) // while requests with it are under way
	pause(ctx, 500*time.Millisecond)
	return err
}

func (d *drill) halves(ctx context.Context) error {
	next, err := d.admin.rotate(ctx, time.Second)
	if err != nil {
		return err
	}
	d.current = next
	err = d.mount.scribble(next.Secret.Expose(), 300*time.Millisecond)
	pause(ctx, time.Second)
	return err
}

// mounted mounts key and lets the traffic run for the time wait.
func (d *drill) mounted(ctx context.Context, key source.Key, wait time.Duration) error {
	if err := d.mount.swap(key.Secret.Expose()); err != nil {
		return err
	}
	d.current = key
	pause(ctx, wait)
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
