package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Caddy passes the same suite as the mock API. Its keys change when its admin API
// gets a new configuration.
func TestCaddyAPI(t *testing.T) {
	bin, address, admin, dir := find(t, "caddy", "caddy"), freeAddress(t), freeAddress(t), t.TempDir()
	c := &caddy{address: address, admin: admin, log: filepath.Join(dir, "log")}
	first, err := json.Marshal(c.config())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "caddy.json")
	if err := os.WriteFile(path, first, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "run", "--config", path)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	start(t, cmd, address)
	keeping, fresh := &http.Transport{MaxIdleConnsPerHost: 16}, &http.Transport{DisableKeepAlives: true}
	t.Cleanup(keeping.CloseIdleConnections)
	conformance.TestAPI(t, "http://"+address, conformance.APIAdmin{
		Accept: func(ctx context.Context, keys ...source.Key) error {
			// Caddy closes the idle connections of the old configuration. It may close
			// a connection after it has logged a request on it and before it answers.
			defer keeping.CloseIdleConnections()
			return c.accept(ctx, keys...)
		},
		Logged: c.logged, Client: &http.Client{Transport: dialAgain{keeping, fresh}},
	})
	orders, err := c.noted(func(e entry) bool { return e.Request.Method == http.MethodPost && e.version() != "" })
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, e := range orders {
		if seen[e.id()] {
			t.Errorf("Caddy's log has the order %s twice", e.id())
		}
		seen[e.id()] = true
	}
	if len(orders) == 0 {
		t.Error("Caddy's log has no order")
	}
}

// dialAgain repeats a request if a new connection is reset. Caddy opens a new
// listening socket for each configuration. When it closes the old socket, the
// system resets the connections that wait to be accepted there, which has nothing
// to do with keys. No server has read such a request. A POST always gets a new
// connection, so that net/http never repeats it by itself.
type dialAgain struct{ keeping, fresh *http.Transport }

func (d dialAgain) RoundTrip(req *http.Request) (*http.Response, error) {
	base := d.keeping
	if req.Method == http.MethodPost {
		base = d.fresh
	}
	for tries := 1; ; tries++ {
		reused := false
		again := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused },
		}))
		if tries > 1 && req.GetBody != nil {
			var err error
			if again.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		resp, err := base.RoundTrip(again)
		if err == nil || tries == 5 || reused || !errors.Is(err, syscall.ECONNRESET) {
			return resp, err
		}
	}
}

// F67: dialAgain does not repeat a request that a server has read.
func TestDialAgainSendsNoOrderTwice(t *testing.T) {
	var orders atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		orders.Add(1)
		panic(http.ErrAbortHandler) // lose the response
	}))
	defer srv.Close()
	keeping, fresh := &http.Transport{}, &http.Transport{DisableKeepAlives: true}
	defer keeping.CloseIdleConnections()
	client := &http.Client{Transport: dialAgain{keeping, fresh}}
	if resp, err := client.Post(srv.URL, "text/plain", strings.NewReader("order")); err == nil {
		_ = resp.Body.Close()
		t.Errorf("status %d although the response was lost", resp.StatusCode)
	}
	if n := orders.Load(); n != 1 {
		t.Errorf("the order arrived %d times, want once", n)
	}
}

type caddy struct{ address, admin, log string }

type object = map[string]any

// config returns Caddy's configuration with these keys. A map handler maps the
// credential to a version. The next route refuses requests without a version.
func (c *caddy) config(keys ...source.Key) object {
	mappings := []object{}
	for _, key := range keys {
		mappings = append(mappings, object{"input": "Bearer " + key.Secret.Expose(), "outputs": []string{key.Version}})
	}
	routes := []object{
		{"handle": []object{
			{
				"handler": "map", "source": "{http.request.header.Authorization}",
				"destinations": []string{"{key_version}"}, "mappings": mappings, "defaults": []string{""},
			},
			{"handler": "headers", "response": object{"set": object{"Key-Version": []string{"{key_version}"}}}},
		}},
		{
			"match": []object{{"vars": object{"{key_version}": []string{""}}}},
			"handle": []object{{
				"handler": "static_response", "status_code": http.StatusUnauthorized,
				"headers": object{"Www-Authenticate": []string{`Bearer realm="gateway"`}},
			}},
		},
		{"handle": []object{{"handler": "static_response", "status_code": http.StatusOK, "body": "{key_version}"}}},
	}
	return object{
		"admin": object{"listen": c.admin, "config": object{"persist": false}},
		"logging": object{"logs": object{
			"default": object{"exclude": []string{"http.log.access"}},
			"access": object{
				"include": []string{"http.log.access"}, "encoder": object{"format": "json"},
				"writer": object{"output": "file", "filename": c.log, "roll": false},
			},
		}},
		"apps": object{"http": object{"servers": object{"gateway": object{
			"listen": []string{c.address}, "automatic_https": object{"disable": true},
			"routes": routes, "logs": object{},
		}}}},
	}
}

func (c *caddy) accept(ctx context.Context, keys ...source.Key) error {
	data, err := json.Marshal(c.config(keys...))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.admin+"/load", bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("caddy's admin API answered %s to a new configuration", resp.Status)
	}
	// Caddy answers when the new sockets are open, and may close the old ones later.
	// A request that arrives at an old socket is checked with the old keys, or reset.
	return await(ctx, "caddy has closed its old sockets", func() bool {
		return listeners(c.address, c.admin) == 2
	})
}

func (c *caddy) logged(ctx context.Context, id string) ([]string, error) {
	for ctx.Err() == nil {
		entries, err := c.noted(func(e entry) bool { return e.id() == id })
		if err != nil {
			return nil, err
		}
		var list []string
		for _, e := range entries {
			list = append(list, e.version())
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, ctx.Err()
}

// An entry is a line of Caddy's log.
type entry struct {
	Request struct {
		Method  string      `json:"method"`
		Headers http.Header `json:"headers"`
	} `json:"request"`
	Answer http.Header `json:"resp_headers"`
}

func (e entry) id() string      { return e.Request.Headers.Get("X-Request-Id") }
func (e entry) version() string { return e.Answer.Get("Key-Version") }

// noted returns the entries of the log for which wanted is true.
func (c *caddy) noted(wanted func(entry) bool) ([]entry, error) {
	f, err := os.Open(c.log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []entry
	for scan := bufio.NewScanner(f); scan.Scan(); {
		var e entry
		if json.Unmarshal(scan.Bytes(), &e) == nil && wanted(e) {
			list = append(list, e)
		}
	}
	return list, nil
}
