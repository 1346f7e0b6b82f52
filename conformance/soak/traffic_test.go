package soak_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

const (
	clients = 6
	// beat is the interval of each client's requests; a late response delays the next.
	beat = 25 * time.Millisecond
)

// order returns the body of the order with this ID.
func order(id string) string { return id + strings.Repeat(".", 1000) }

// send sends one request after the other until stop, and waits for the last.
func (k *track) send(stop <-chan struct{}, client int) {
	pace := time.NewTicker(beat)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		k.mu.Lock()
		k.figures.requests++
		id := fmt.Sprintf("%s-%d-%d", k.name, client, k.figures.requests)
		k.mu.Unlock()
		k.process.RLock()
		served, err := k.request(id, n%3 == 0)
		k.mu.Lock()
		k.last[client] = served
		if err != nil {
			k.failed = append(k.failed, fmt.Sprintf("%s: %v; the server recorded %s", id, err, k.ledger.show(id)))
		}
		k.mu.Unlock()
		k.process.RUnlock()
	}
}

// request sends one request and returns the version that served it.
func (k *track) request(id string, post bool) (version string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ctx, seen := transport.Observe(ctx)
	method, path, body := http.MethodGet, "/balance", io.Reader(nil)
	if post {
		method, path = http.MethodPost, "/orders"
		body = strings.NewReader(order(id))
	}
	req, err := http.NewRequestWithContext(ctx, method, k.url+path, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Request-Id", id)
	if post {
		req.Header.Set("Idempotency-Key", id)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s with version %s after %d attempts", resp.Status, seen.Version(), seen.Attempts())
	}
	if post && !bytes.Equal(answer, []byte(id)) {
		return "", fmt.Errorf("the response is for another order")
	}
	k.mu.Lock()
	label := k.labels[seen.Version()]
	if seen.Moved() {
		k.figures.moved++
	}
	if post {
		k.figures.orders++
	}
	k.mu.Unlock()
	attempts := 0
	if k.attempts {
		attempts = seen.Attempts()
	}
	return label, k.ledger.settle(id, label, attempts, post)
}
