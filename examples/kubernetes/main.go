// Kubernetes is a service that calls an API with a key from a mounted Secret and
// reports the state of its keys on /readyz and /keys. deployment.yaml mounts the
// Secret and sets up the probes.
//
// Environment variables configure it, see [client.FromEnv]:
//
//	UPSTREAM_KEY_SOURCE  where the key is, such as file:///run/secrets/upstream/api-key
//	UPSTREAM_ORIGIN      the API, such as https://api.example.com
//	UPSTREAM_PATH        the path to fetch, such as /v1/things
//	INTERVAL             the time between two requests, default 10s
//	LISTEN               the address of /readyz and /keys, default :8080
//
// On SIGTERM it shuts down gracefully.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), ":8080"))
	if err == nil {
		err = run(ctx, listener)
	}
	if err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listener net.Listener) error {
	interval, err := time.ParseDuration(cmp.Or(os.Getenv("INTERVAL"), "10s"))
	if err != nil {
		return fmt.Errorf("INTERVAL: %w", err)
	}
	start, cancel := context.WithTimeout(ctx, time.Minute)
	c, err := client.FromEnv(start, "UPSTREAM", client.WithRetry(2))
	cancel()
	if err != nil {
		return err
	}
	defer c.Close()

	server := &http.Server{Handler: handler(c), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer server.Close()

	url := os.Getenv("UPSTREAM_ORIGIN") + os.Getenv("UPSTREAM_PATH")
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		fetch(ctx, c, url)
		select {
		case <-tick.C:
		case err := <-failed:
			return err
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return server.Shutdown(end)
		}
	}
}

// handler serves /readyz, which fails only while there is no key to send, and /keys, the
// whole status: the version in use, the versions that are safe to revoke and, for
// alerts, whether the keys are healthy and what is degraded. F132: a probe must not fail
// because the source cannot be read or the server refuses a key. The requests may still
// be served, and all pods would leave the Service at once.
func handler(c *client.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := c.Status()
		if !status.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "ready: %t, healthy: %t\n", status.Ready, status.Healthy)
		for _, d := range status.Degraded {
			fmt.Fprintln(w, d.Reason)
		}
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.Status())
	})
	return mux
}

func fetch(ctx context.Context, c *client.Client, url string) {
	ctx, seen := transport.Observe(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		slog.Error("request", "error", err)
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			slog.Error("request", "error", err)
		}
		return
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	slog.Info("answer", "status", resp.StatusCode, "bytes", n, "error", err, "key", seen.Version(), "attempts", seen.Attempts())
}
