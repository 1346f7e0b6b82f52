package soak_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// The faults of a track's server, which affect an eighth of the requests.
const (
	whole       = iota
	cut         // close the connection without a response
	unavailable // answer 503
	lose        // apply the request, and close the connection without a response
)

// pieces is how many pieces a download has.
const pieces = 8

// lost marks, in the server, a request whose response is to be lost.
const lost = "Soak-Lost"

// judge records an attempt whose key the server accepts, and says what the server does
// with it. If that is broken, the answer is sent.
func (k *track) judge(w http.ResponseWriter, r *http.Request, version string) verdict {
	v, how := taken, k.fault.Load()
	switch {
	case k.lane.odd > 0 && rand.Float64() < k.lane.odd:
		v = odd
		now := time.Now()
		k.history.odd.Store(&now)
		k.mu.Lock()
		k.figures.odd++
		k.mu.Unlock()
	case how != whole && rand.IntN(8) == 0:
		v = broken
	}
	if !k.ledger.attempt(r.Header.Get("X-Request-Id"), version, v) {
		return taken
	}
	switch {
	case v == odd:
		return odd
	case how == cut:
		panic(http.ErrAbortHandler)
	case how == unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
		return broken
	}
	r.Header.Set(lost, "yes")
	return taken
}

// serve handles an accepted request.
func (k *track) serve(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if r.Method == http.MethodPost {
		q := request{id: id}
		if r.Header.Get("Upload") != "" {
			q.kind = upload
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != q.body() {
			http.Error(w, "the body differs from the one that the client sent", http.StatusBadRequest)
			return
		}
		k.ledger.apply(id, r.Header.Get("Idempotency-Key") == id)
	}
	if r.Header.Get(lost) != "" {
		k.ledger.loses(id)
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Echo", id)
	if r.URL.Path == "/download" {
		for range pieces {
			_, _ = io.WriteString(w, id)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(10 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		return
	}
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, id)
	}
}
