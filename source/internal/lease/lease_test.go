package lease_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/source/internal/lease"
)

// F104: the client is open while it is used, closed after the last release, and then opened
// again.
func TestOpenWhileHeld(t *testing.T) {
	var opened, closed int
	c := lease.New(func(context.Context) (int, error) { opened++; return opened, nil }, func(int) { closed++ })
	first, release1, _ := c.Get(t.Context())
	second, release2, _ := c.Get(t.Context())
	if first != 1 || second != 1 {
		t.Errorf("got clients %d and %d, want one and the same", first, second)
	}
	release1()
	if closed != 0 {
		t.Error("closed while it is held")
	}
	release2()
	if closed != 1 {
		t.Errorf("closed %d times after the last holder, want once", closed)
	}
	third, release3, _ := c.Get(t.Context())
	release3()
	if third != 2 || closed != 2 {
		t.Errorf("client %d, closed %d times: want a new one, closed again", third, closed)
	}
}

func TestOpenFails(t *testing.T) {
	down := errors.New("down")
	fail := true
	closed := 0
	c := lease.New(func(context.Context) (int, error) {
		if fail {
			return 0, down
		}
		return 7, nil
	}, func(int) { closed++ })
	if _, _, err := c.Get(t.Context()); !errors.Is(err, down) {
		t.Errorf("Get: %v", err)
	}
	fail = false
	client, release, err := c.Get(t.Context())
	if err != nil || client != 7 {
		t.Fatalf("Get after a failure: %d, %v", client, err)
	}
	release()
	if closed != 1 {
		t.Errorf("closed %d times, want once", closed)
	}
}

func TestGivenIsNeverClosed(t *testing.T) {
	c := lease.Given(3)
	client, release, err := c.Get(t.Context())
	if client != 3 || err != nil {
		t.Fatalf("Get: %d, %v", client, err)
	}
	release()
	if again, _, _ := c.Get(t.Context()); again != 3 {
		t.Error("gone after release")
	}
}

// A login was revoked: the next Get opens a new client, and the last release closes the old one.
func TestRenew(t *testing.T) {
	opened := 0
	var closed []int
	c := lease.New(func(context.Context) (int, error) { opened++; return opened, nil }, func(n int) { closed = append(closed, n) })
	_, release1, _ := c.Get(t.Context())
	c.Renew()
	second, release2, _ := c.Get(t.Context())
	if second != 2 {
		t.Errorf("client %d after Renew, want a new one", second)
	}
	release1()
	release2()
	if !slices.Equal(closed, []int{1, 2}) {
		t.Errorf("closed %v, want both", closed)
	}
}

// F78: a Get that waits while another opens the client returns when its own context ends.
func TestGetEndsWithItsContext(t *testing.T) {
	opening, proceed := make(chan struct{}), make(chan struct{})
	c := lease.New(func(context.Context) (int, error) { close(opening); <-proceed; return 1, nil }, func(int) {})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, release, _ := c.Get(t.Context())
		release()
	}()
	<-opening
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	close(proceed)
	<-done
}
