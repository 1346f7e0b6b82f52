package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/transport"
)

// totals are the figures of the traffic.
type totals struct {
	requests, posts, failures, absorbed int
	versions                            map[string]int  // answered requests by version
	orders                              map[string]bool // orders that were placed, by client order id
	errors                              []string        // the first few
}

// traffic is a steady load: one order for every three requests for prices.
type traffic struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu  sync.Mutex
	sum totals
}

func startTraffic(c *client.Client, url string, workers int) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{cancel: cancel, sum: totals{versions: make(map[string]int), orders: make(map[string]bool)}}
	for w := range workers {
		t.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				// Requests under way at the end are not canceled.
				t.send(c, url, fmt.Sprintf("order-%d-%d", w, n), n%4 == 0)
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
	return t
}

func (t *traffic) send(c *client.Client, url, id string, order bool) {
	ctx, seen := transport.Observe(context.Background())
	method, path, body := http.MethodGet, "/prices", ""
	if order {
		method, path, body = http.MethodPost, "/orders", fmt.Sprintf(`{"client_order_id":%q}`, id)
	}
	req, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		t.note(seen, id, order, err)
		return
	}
	resp, err := c.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s: status %d with version %s", method, path, resp.StatusCode, seen.Version())
		}
	}
	t.note(seen, id, order, err)
}

func (t *traffic) note(seen *transport.Observation, id string, order bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.requests++
	t.sum.absorbed += max(seen.Attempts()-1, 0)
	if order {
		t.sum.posts++
	}
	if err != nil {
		t.sum.failures++
		if len(t.sum.errors) < 5 {
			t.sum.errors = append(t.sum.errors, err.Error())
		}
		return
	}
	t.sum.versions[seen.Version()]++
	if order {
		t.sum.orders[id] = true
	}
}

// now returns the totals so far, without the orders.
func (t *traffic) now() totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.sum
	sum.versions = maps.Clone(sum.versions)
	sum.orders = nil
	return sum
}

// stop ends the traffic, waits for requests under way, and returns the totals.
func (t *traffic) stop() totals {
	t.cancel()
	t.wg.Wait()
	return t.sum
}
