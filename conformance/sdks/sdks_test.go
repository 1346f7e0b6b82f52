package sdks

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

var update = flag.Bool("update", false, "write the table into README.md")

func TestMain(m *testing.M) {
	// Fail the requests that an SDK does not send through the given client.
	http.DefaultTransport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("sdks: the SDK bypassed the given client and used http.DefaultTransport")
	}
	// Run many drills at a time: they mostly wait.
	flag.Parse()
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// F113, F115: with every SDK over the client, no call fails during rotations, no body
// is torn, no write is applied twice, and the SDK's own key does not reach the server.
func TestSDKs(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	results := make(map[string][]result)
	t.Run("drill", func(t *testing.T) {
		for _, s := range sdks {
			for _, http2 := range []bool{false, true} {
				if http2 && s.http1 {
					continue
				}
				t.Run(s.name+map[bool]string{false: "/HTTP 1.1", true: "/HTTP 2"}[http2], func(t *testing.T) {
					t.Parallel()
					r := run(t, s, http2)
					for _, fault := range r.faults[:min(len(r.faults), 12)] {
						t.Error(fault)
					}
					mu.Lock()
					defer mu.Unlock()
					results[s.name] = append(results[s.name], r)
				})
			}
		}
	})
	slices.SortFunc(sdks, func(a, b sdk) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	var rows []string
	for _, s := range sdks {
		rows = append(rows, row(t, s, results[s.name]))
	}
	page(t, rows)
}

// The drill reports each fault that it looks for.
func TestDrillFails(t *testing.T) {
	t.Parallel()
	const url = "https://api.example.com/things"
	profile := provider.Generic(transport.Bearer(), "https://api.example.com")
	post := func(ctx context.Context, c *http.Client, text string) error {
		resp, err := c.Post(url, "text/plain", strings.NewReader(text))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return success(resp.StatusCode)
	}
	for name, c := range map[string]struct {
		says string
		use  func(base *http.Transport, c *client.Client) calls
	}{
		"an SDK that bypasses the client": {"without a rotation: status 401", func(base *http.Transport, _ *client.Client) calls {
			return calls{read: func(ctx context.Context) error { return get(ctx, &http.Client{Transport: base}, url, dummy) }}
		}},
		"a key in the query": {"own key reached", func(_ *http.Transport, c *client.Client) calls {
			return calls{read: func(ctx context.Context) error { return get(ctx, c.Client, url+"?key="+dummy, "") }}
		}},
		"a key in base64": {"own key reached", func(_ *http.Transport, c *client.Client) calls {
			text := base64.StdEncoding.EncodeToString([]byte("user:" + dummy))
			return calls{write: func(ctx context.Context, _ string) error { return post(ctx, c.Client, text) }}
		}},
		"a torn body": {"arrived torn", func(_ *http.Transport, c *client.Client) calls {
			return calls{write: func(ctx context.Context, text string) error { return post(ctx, c.Client, text[:len(text)-9]) }}
		}},
		"an empty body": {"applied 0 times", func(_ *http.Transport, c *client.Client) calls {
			return calls{write: func(ctx context.Context, _ string) error { return post(ctx, c.Client, "") }}
		}},
		"a body twice": {"applied 2 times", func(_ *http.Transport, c *client.Client) calls {
			return calls{write: func(ctx context.Context, text string) error {
				return errors.Join(post(ctx, c.Client, text), post(ctx, c.Client, text))
			}}
		}},
		"a refusal that is hidden": {"all refused: a call succeeded", func(_ *http.Transport, c *client.Client) calls {
			return calls{read: func(ctx context.Context) error {
				_ = get(ctx, c.Client, url, "")
				return nil
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, sdk{profile: profile, use: c.use}, true)
			if !slices.ContainsFunc(r.faults, func(fault string) bool { return strings.Contains(fault, c.says) }) {
				t.Errorf("none of the %d faults contains %q", len(r.faults), c.says)
			}
		})
	}
}
