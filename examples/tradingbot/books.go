package main

import (
	"bytes"
	"io"
	"sync"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
)

// findings count what is wrong with the books.
type findings struct{ lost, doubled, unknown, open int }

// audit compares the exchange's books with the bot's: every order that was confirmed
// must be there once and canceled once, and no other order may be there.
func audit(books []exchange.Order, confirmed []string) (f findings) {
	booked := make(map[string]int)
	for _, o := range books {
		booked[o.ClientID]++
		if o.Canceled != 1 {
			f.open++
		}
	}
	for _, n := range booked {
		f.doubled += n - 1
	}
	for _, id := range confirmed {
		if booked[id] == 0 {
			f.lost++
		}
		delete(booked, id)
	}
	f.unknown = len(booked)
	return f
}

// A watcher passes output on and counts the secrets in it.
type watcher struct {
	mu    sync.Mutex
	out   io.Writer
	tail  []byte
	found int
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.tail, p...)
	for _, s := range exchange.Sentinels() {
		// A secret within the tail was counted by the last Write.
		w.found += bytes.Count(text, []byte(s)) - bytes.Count(w.tail, []byte(s))
	}
	const longest = 16
	w.tail = bytes.Clone(text[max(0, len(text)-longest):])
	return w.out.Write(p)
}

func (w *watcher) leaks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}
