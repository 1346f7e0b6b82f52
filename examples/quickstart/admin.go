package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// admin drives the mock API over HTTP, as a program in any language does. The calls are
// in the manual of conformance/mockapi/cmd/mockapi.
type admin struct{ url string }

// fields are those of a call.
type fields map[string]any

func (a admin) issue(ctx context.Context, f fields) (source.Key, error) {
	return a.key(ctx, "issue", f)
}

func (a admin) rotate(ctx context.Context, overlap time.Duration) (source.Key, error) {
	return a.key(ctx, "rotate", fields{"overlap": overlap.String()})
}

func (a admin) activate(ctx context.Context, version string) error {
	return a.do(ctx, http.MethodPost, "activate", fields{"version": version}, nil)
}

func (a admin) expire(ctx context.Context, version string) error {
	return a.do(ctx, http.MethodPost, "expire", fields{"version": version}, nil)
}

func (a admin) revoke(ctx context.Context, version string) error {
	return a.do(ctx, http.MethodPost, "revoke", fields{"version": version}, nil)
}

// orders returns how often each order was carried out.
func (a admin) orders(ctx context.Context) (map[string]int, error) {
	var out struct {
		Orders []struct {
			ClientID string `json:"client_id"`
		}
	}
	err := a.do(ctx, http.MethodGet, "orders", nil, &out)
	booked := make(map[string]int)
	for _, o := range out.Orders {
		booked[o.ClientID]++
	}
	return booked, err
}

func (a admin) key(ctx context.Context, call string, f fields) (source.Key, error) {
	var out struct{ Version, Secret string }
	err := a.do(ctx, http.MethodPost, call, f, &out)
	return source.Key{Version: out.Version, Secret: source.NewSecret(out.Secret)}, err
}

func (a admin) do(ctx context.Context, method, call string, in fields, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+call, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the mock API answers %s to %s", resp.Status, call)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
