package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/conformance/internal/nginx"
	"github.com/rollingkeys/rollingkeys/source"
)

// startNginx starts nginx with these keys, and stops it when the test ends.
func startNginx(t testing.TB, keys ...source.Key) *nginx.Server {
	t.Helper()
	n, err := nginx.Start(t.TempDir(), "", keys...)
	if errors.Is(err, nginx.ErrMissing) && os.Getenv("ROLLINGKEYS_REQUIRE") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// nginx passes the same suite as the mock API.
func TestNginxAPI(t *testing.T) {
	n := startNginx(t)
	conformance.TestAPI(t, n.URL, conformance.APIAdmin{
		Accept: func(_ context.Context, keys ...source.Key) error { return n.Reload(keys...) },
		Logged: func(ctx context.Context, id string) ([]string, error) {
			for ctx.Err() == nil { // nginx logs a request after the response is sent
				log, err := n.Log()
				if err != nil {
					return nil, err
				}
				var list []string
				for _, l := range log[id] {
					list = append(list, l.Version)
				}
				if len(list) > 0 {
					return list, nil
				}
			}
			return nil, fmt.Errorf("nginx's log has no line for the request: %w", ctx.Err())
		},
	})
}

// A connection without a request, as net/http may keep one, delays a reload for no
// longer than worker_shutdown_timeout.
func TestNginxReloadDespiteUnusedConnection(t *testing.T) {
	n := startNginx(t, conformance.NewKey(1))
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close() // by now nginx has accepted the other connection too
	if err := n.Reload(conformance.NewKey(2)); err != nil {
		t.Error(err)
	}
}

// nginx logs a request after the response. If nginx closes the connection and the
// request is longer than its buffer, nginx logs it only when the client has closed
// the connection too. Even then the log is complete after Quit and after Reload.
//
// F74
func TestNginxLogsBeforeItEnds(t *testing.T) {
	for name, end := range map[string]func(*nginx.Server) error{
		"quit":   (*nginx.Server).Quit,
		"reload": func(n *nginx.Server) error { return n.Reload(conformance.NewKey(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			n := startNginx(t, conformance.NewKey(1))
			conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // not earlier: the test is about this open connection
			req, err := http.NewRequest(http.MethodPost, n.URL, strings.NewReader(strings.Repeat("x", 2000)))
			if err != nil {
				t.Fatal(err)
			}
			req.Close = true
			req.Header.Set("X-Request-Id", "order")
			req.Header.Set("Authorization", "Bearer "+conformance.NewKey(1).Secret.Expose())
			if err := req.Write(conn); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
			if err := end(n); err != nil {
				t.Fatal(err)
			}
			log, err := n.Log()
			if err != nil {
				t.Fatal(err)
			}
			if want := []nginx.Line{{Version: "v1", Status: http.StatusOK}}; !slices.Equal(log["order"], want) {
				t.Errorf("nginx's log has %+v, want %+v", log["order"], want)
			}
		})
	}
}
