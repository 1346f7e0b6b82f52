// Quickstart shows the main job of rollingkeys: a key rotates again and again under
// steady traffic, in the ways that usually break requests, and no request fails.
//
//	go run ./examples/quickstart
//
// It starts the mock API in a process of its own, mounts keys as the kubelet does,
// sends requests from many goroutines, and rotates the key: the file first, the
// server first, a new key that some replicas learn late, a rollback, a revocation,
// a file written in two halves. On a terminal it shows a live table, elsewhere one
// line at the end of each rotation. At the end it prints a report. The exit status
// is 1 if a request failed, an order was lost or doubled, or its output or log
// contains a secret. The first Ctrl-C ends it after the rotation under way, with the
// report; the second ends it at once.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "mockapi" {
		// This process is the mock API: the same binary runs twice. Ctrl-C on the
		// terminal reaches this process too. It ignores that, and ends with its
		// standard input.
		signal.Ignore(os.Interrupt)
		if err := mockapi.Program(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	rotations := flag.Int("rotations", 24, "number of rotations")
	workers := flag.Int("workers", 32, "number of goroutines that send requests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	ok, err := run(ctx, os.Stdout, isTerminal(os.Stdout), *rotations, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run runs the rotations and prints the report. It reports whether all went well.
func run(ctx context.Context, out io.Writer, live bool, rotations, workers int) (bool, error) {
	watch := &watcher{out: out}
	log, logged := newLog()
	at, end, err := startMock(watch)
	if err != nil {
		return false, err
	}
	defer end()
	mock := admin{at.AdminURL}
	first, err := mock.issue(ctx, nil)
	if err != nil {
		return false, err
	}
	mount, err := newMount(first.Secret.Expose())
	if err != nil {
		return false, err
	}
	defer mount.remove()

	screen := &screen{out: watch, live: live}
	c, err := client.New(ctx, file.New(mount.path()),
		client.WithOrigin(at.URL),
		client.WithRing(
			ring.WithObserver(screen.event),
			ring.WithLogger(log),
		))
	if err != nil {
		return false, err
	}
	defer c.Close()

	load := startTraffic(c, at.URL, workers)
	d := &drill{admin: mock, mount: mount, current: first}
	screen.start(c, load)
	// A rotation is always finished: otherwise requests under way would fail.
	whole := context.WithoutCancel(ctx)
	for i := 0; i < rotations && ctx.Err() == nil; i++ {
		step := steps[i%len(steps)]
		screen.step(i+1, rotations, step.name)
		if err := step.run(d, whole); err != nil {
			return false, fmt.Errorf("%s: %w", step.name, err)
		}
		screen.stepped()
	}
	pause(whole, 500*time.Millisecond)
	totals := load.stop()
	screen.stop()

	lost, doubled, err := audit(mock, totals)
	if err != nil {
		return false, err
	}
	leaks := watch.leaks() + logged.leaks()
	fmt.Fprintf(watch, "\nrequests sent         %8d   (%d GET, %d POST)\n", totals.requests, totals.requests-totals.posts, totals.posts)
	fmt.Fprintf(watch, "refusals absorbed     %8d   by falling back, falling forward, or waiting for the new key\n", totals.absorbed)
	fmt.Fprintf(watch, "versions used         %8d\n", len(totals.versions))
	fmt.Fprintf(watch, "failures              %8d\n", totals.failures)
	fmt.Fprintf(watch, "orders lost, doubled  %8d, %d\n", lost, doubled)
	fmt.Fprintf(watch, "secrets in output, log%8d\n", leaks)
	for _, text := range totals.errors {
		fmt.Fprintf(watch, "  failure: %s\n", text)
	}
	return totals.failures == 0 && lost == 0 && doubled == 0 && leaks == 0 && totals.requests > 0, nil
}

// addresses are what the mock API prints as its first line.
type addresses struct {
	URL      string `json:"url"`
	AdminURL string `json:"admin_url"`
}

// startMock runs this program as the mock API in another process. That process ends
// when end is called, or with this one, which closes the pipe to it.
func startMock(log io.Writer) (addresses, func(), error) {
	var at addresses
	self, err := os.Executable()
	if err != nil {
		return at, nil, err
	}
	cmd := exec.Command(self, "mockapi", "-replicas", "3", "-exit-with-stdin")
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return at, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return at, nil, err
	}
	if err := cmd.Start(); err != nil {
		return at, nil, err
	}
	end := func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err = errors.Join(err, json.Unmarshal(line, &at)); err != nil {
		end()
		return at, nil, fmt.Errorf("the mock API did not start: %w", err)
	}
	return at, end, nil
}

// audit compares the server's orders with those that the traffic counted as placed:
// each must be there once, and no other.
func audit(mock admin, t totals) (lost, doubled int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	booked, err := mock.orders(ctx)
	if err != nil {
		return 0, 0, err
	}
	for id := range t.orders {
		switch n := booked[id]; {
		case n == 0:
			lost++
		case n > 1:
			doubled += n - 1
		}
		delete(booked, id)
	}
	for _, n := range booked { // orders whose request failed here, if any
		doubled += n - 1
	}
	return lost, doubled, nil
}
