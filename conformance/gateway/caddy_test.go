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
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Caddy, its configuration replaced over its admin API, is held to what the
// mock is held to.
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
	base := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(base.CloseIdleConnections)
	conformance.TestAPI(t, "http://"+address, conformance.APIAdmin{
		Accept: func(ctx context.Context, keys ...source.Key) error {
			// Caddy closes the idle connections of the configuration before, and may
			// close one as a request comes that it still notes in its log.
			defer base.CloseIdleConnections()
			return c.accept(ctx, keys...)
		},
		Logged: c.logged, Client: &http.Client{Transport: dialAgain{base}},
	})
}

// dialAgain sends again what got no answer at all. Caddy opens a socket of its
// own for each configuration, and with the old one the system resets the
// connections that wait there to be accepted: no matter of keys, and nothing of
// such a request has been read. What the server did answer goes back as it is.
type dialAgain struct{ base *http.Transport }

func (d dialAgain) RoundTrip(req *http.Request) (*http.Response, error) {
	for tries := 1; ; tries++ {
		resp, err := d.base.RoundTrip(req)
		if err == nil || tries == 5 || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			return resp, err
		}
		again := *req
		if req.GetBody != nil {
			if again.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		req = &again
	}
}

type caddy struct{ address, admin, log string }

type object = map[string]any

// config is Caddy's configuration with these keys. A map makes a version of the
// credential, and a route of its own refuses where there is none: that the
// negative holds is what the suite shows.
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
		return fmt.Errorf("caddy answers %s", resp.Status)
	}
	// Caddy answers once the new sockets are open and may close the old ones after
	// that: what still came in there was judged by the keys of before, or reset.
	return await(ctx, "the end of caddy's old sockets", func() bool {
		return listeners(c.address, c.admin) == 2
	})
}

func (c *caddy) logged(ctx context.Context, id string) ([]string, error) {
	for ctx.Err() == nil {
		f, err := os.Open(c.log)
		if err != nil {
			return nil, err
		}
		var list []string
		for scan := bufio.NewScanner(f); scan.Scan(); {
			var entry struct {
				Request struct {
					Headers http.Header `json:"headers"`
				} `json:"request"`
				Answer http.Header `json:"resp_headers"`
			}
			if json.Unmarshal(scan.Bytes(), &entry) == nil && entry.Request.Headers.Get("X-Request-Id") == id {
				list = append(list, entry.Answer.Get("Key-Version"))
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, ctx.Err()
}
