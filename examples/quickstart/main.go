// Quickstart shows the main job of rollingkeys: steady traffic over a key that
// rotates again and again, in the ways that hurt, and nobody notices.
//
//	go run ./examples/quickstart
//
// It starts the mock API in a process of its own, mounts keys the way the
// kubelet does, runs traffic from many goroutines, and rotates: the file first,
// the server first, a new key that some replicas learn late, a rollback, a
// revocation, a file that is written in two halves. On a terminal it shows a
// live table; elsewhere one line a step, when it is done. It ends with a verdict,
// and with exit status 1 if a request failed, an order was lost or doubled, or a
// secret shows in its own output or log. Ctrl-C ends it after the rotation at
// hand, with the verdict so far; a second one at once.
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
		// This is the process of the mock API: the same binary. A Ctrl-C on the
		// terminal comes here too, and is not for us: our input's end is.
		signal.Ignore(os.Interrupt)
		if err := mockapi.Program(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	rotations := flag.Int("rotations", 24, "how many rotations to run")
	workers := flag.Int("workers", 32, "how many goroutines send requests")
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

// run does it all and reports whether nothing went wrong.
func run(ctx context.Context, out io.Writer, live bool, rotations, workers int) (bool, error) {
	watch := &watcher{out: out}
	log, logged := newLog()
	addresses, end, err := startMock(watch)
	if err != nil {
		return false, err
	}
	defer end()
	admin := mockapi.NewAdmin(addresses.AdminURL)
	defer admin.Close()

	first, err := admin.Issue(ctx, mockapi.Spec{})
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
		client.WithOrigin(addresses.URL),
		client.WithRing(
			ring.WithObserver(screen.event),
			ring.WithLogger(log),
		))
	if err != nil {
		return false, err
	}
	defer c.Close()

	load := startTraffic(c, addresses.URL, workers)
	d := &drill{admin: admin, mount: mount, current: first}
	screen.start(c, load)
	// A rotation is not left half done: requests that are out would never see its end.
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

	lost, doubled, err := audit(admin, totals)
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

// startMock runs this very program as the mock API, in a process of its own that
// ends with us: at end, or with the pipe to it.
func startMock(log io.Writer) (mockapi.Addresses, func(), error) {
	var addresses mockapi.Addresses
	self, err := os.Executable()
	if err != nil {
		return addresses, nil, err
	}
	cmd := exec.Command(self, "mockapi", "-replicas", "3", "-exit-with-stdin")
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return addresses, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return addresses, nil, err
	}
	if err := cmd.Start(); err != nil {
		return addresses, nil, err
	}
	end := func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err = errors.Join(err, json.Unmarshal(line, &addresses)); err != nil {
		end()
		return addresses, nil, fmt.Errorf("the mock API did not start: %w", err)
	}
	return addresses, end, nil
}

// audit holds the server's books against ours: every order that we count as
// placed is there once, and no other.
func audit(admin *mockapi.Admin, t totals) (lost, doubled int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	orders, err := admin.Orders(ctx)
	if err != nil {
		return 0, 0, err
	}
	booked := make(map[string]int)
	for _, o := range orders {
		booked[o.ClientID]++
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
	for _, n := range booked { // of requests that failed here, perhaps
		doubled += n - 1
	}
	return lost, doubled, nil
}
