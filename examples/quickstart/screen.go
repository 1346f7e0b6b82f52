package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

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
	w.found += bytes.Count(text, []byte(mockapi.Sentinel))
	// The end may be the beginning of a sentinel: keep it for the next Write.
	w.tail = bytes.Clone(text[max(0, len(text)-len(mockapi.Sentinel)+1):])
	return w.out.Write(p)
}

func (w *watcher) leaks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}

// newLog returns a logger whose output is not shown, and the watcher that counts the
// secrets in it.
func newLog() (*slog.Logger, *watcher) {
	w := &watcher{out: io.Discard}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})), w
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// A screen shows the progress: on a terminal a table that is drawn again and again,
// elsewhere one line at the end of each step.
type screen struct {
	out    io.Writer
	live   bool
	client *client.Client
	load   *traffic
	done   chan struct{}
	wg     sync.WaitGroup

	mu        sync.Mutex
	title     string
	fallBacks int
	last      []string
	drawn     int // lines of the table on the terminal
}

func (s *screen) event(e ring.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind == ring.Refreshed {
		return
	}
	if e.Kind == ring.FellBack {
		s.fallBacks++
	}
	line := fmt.Sprintf("%s  %-14s %s", e.Time.Format("15:04:05.000"), e.Kind, e.Version)
	if e.Previous != "" {
		line += " (was " + e.Previous + ")"
	}
	if e.Err != nil {
		line += "  " + e.Err.Error()
	}
	s.last = append(s.last, line)
	s.last = s.last[max(0, len(s.last)-6):]
}

func (s *screen) start(c *client.Client, load *traffic) {
	s.client, s.load, s.done = c, load, make(chan struct{})
	if !s.live {
		return
	}
	s.wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.draw()
			case <-s.done:
				s.draw()
				return
			}
		}
	})
}

func (s *screen) stop() {
	close(s.done)
	s.wg.Wait()
}

func (s *screen) step(n, of int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.title = fmt.Sprintf("rotation %d of %d: %s", n, of, name)
}

// stepped prints the figures at the end of a step, if there is no table.
func (s *screen) stepped() {
	if s.live {
		return
	}
	sum := s.load.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%s; in use %s, requests %d, absorbed %d, fall-backs %d, failures %d\n",
		s.title, s.client.Ring().Version(), sum.requests, sum.absorbed, s.fallBacks, sum.failures)
}

func (s *screen) draw() {
	sum, status := s.load.now(), s.client.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	lines := 0
	add := func(format string, args ...any) {
		fmt.Fprintf(&b, "\x1b[2K"+format+"\n", args...)
		lines++
	}
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	add("%s", s.title)
	add("in use %-24s requests %-8d absorbed %-6d fall-backs %-4d failures %d",
		status.InUse, sum.requests, sum.absorbed, s.fallBacks, sum.failures)
	add("")
	add("%-26s %-9s %-9s %9s %9s %8s %s", "VERSION", "ROLE", "STATE", "REQUESTS", "ACCEPTED", "REFUSED", "SAFE TO REVOKE")
	versions := status.Versions[:min(6, len(status.Versions))]
	for _, v := range versions {
		safe := "no: " + v.Reason
		if v.SafeToRevoke {
			safe = "yes"
		}
		add("%-26s %-9s %-9s %9d %9d %8d %.60s", v.Version, v.Role, v.State, v.Requests, v.Accepted, v.Refused, safe)
	}
	for range 6 - len(versions) {
		add("")
	}
	add("")
	for i := range 6 {
		if i < len(s.last) {
			add("%.110s", s.last[i])
		} else {
			add("")
		}
	}
	s.drawn = lines
	_, _ = io.WriteString(s.out, b.String())
}
