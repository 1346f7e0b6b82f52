package mockapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An Admin controls a mock API over its admin API. Its methods do the same as those of
// [API] with the same name.
type Admin struct {
	base string
	http *http.Client
}

// NewAdmin returns a client for the admin API at url, which cmd/mockapi prints as
// admin_url. Close it after use.
func NewAdmin(url string) *Admin {
	return &Admin{base: strings.TrimSuffix(url, "/") + "/", http: &http.Client{
		// No proxy: the server is on loopback, and requests and responses have secrets.
		Transport: &http.Transport{IdleConnTimeout: 30 * time.Second},
	}}
}

// Close closes the idle connections to the admin API.
func (c *Admin) Close() { c.http.CloseIdleConnections() }

// Issue makes a new key version.
func (c *Admin) Issue(ctx context.Context, spec Spec) (source.Key, error) {
	return c.key(ctx, "issue", toWire(spec))
}

// Rotate issues a random new version, and sets those in use to expire after overlap.
func (c *Admin) Rotate(ctx context.Context, overlap time.Duration) (source.Key, error) {
	return c.RotateTo(ctx, Spec{}, overlap)
}

// RotateTo is like Rotate but issues the version that spec describes.
func (c *Admin) RotateTo(ctx context.Context, spec Spec, overlap time.Duration) (source.Key, error) {
	return c.key(ctx, "rotate", wireRotation{toWire(spec), duration(overlap)})
}

func (c *Admin) key(ctx context.Context, path string, spec any) (source.Key, error) {
	var key wireKey
	if err := c.do(ctx, http.MethodPost, path, spec, &key); err != nil {
		return source.Key{}, err
	}
	return key.key(), nil
}

// Activate makes the given replicas, or all if none is given, accept the version.
func (c *Admin) Activate(ctx context.Context, version string, replicas ...int) error {
	return c.do(ctx, http.MethodPost, "activate", wireChange{Version: version, Replicas: replicas}, nil)
}

// Deactivate makes the given replicas, or all if none is given, refuse the version.
func (c *Admin) Deactivate(ctx context.Context, version string, replicas ...int) error {
	return c.do(ctx, http.MethodPost, "deactivate", wireChange{Version: version, Replicas: replicas}, nil)
}

// Expire makes the version expire after d.
func (c *Admin) Expire(ctx context.Context, version string, d time.Duration) error {
	return c.do(ctx, http.MethodPost, "expire", wireChange{Version: version, After: duration(d)}, nil)
}

// Revoke makes all replicas refuse the version for good; the key document lists it as
// revoked.
func (c *Admin) Revoke(ctx context.Context, version string) error {
	return c.do(ctx, http.MethodPost, "revoke", wireChange{Version: version}, nil)
}

// List adds the version to the key document.
func (c *Admin) List(ctx context.Context, version string) error {
	return c.do(ctx, http.MethodPost, "list", wireChange{Version: version}, nil)
}

// Unlist removes the version from the key document.
func (c *Admin) Unlist(ctx context.Context, version string) error {
	return c.do(ctx, http.MethodPost, "unlist", wireChange{Version: version}, nil)
}

// Hold begins to delay the responses to requests with the version; "" means requests
// without a known key.
func (c *Admin) Hold(ctx context.Context, version string) error {
	return c.do(ctx, http.MethodPost, "hold", wireChange{Version: version}, nil)
}

// Release ends the hold on the version and sends its responses.
func (c *Admin) Release(ctx context.Context, version string) error {
	return c.do(ctx, http.MethodPost, "release", wireChange{Version: version}, nil)
}

// SetReplicas sets the number of replicas, between 1 and 1000.
func (c *Admin) SetReplicas(ctx context.Context, n int) error {
	return c.do(ctx, http.MethodPost, "replicas", wireReplicas{n}, nil)
}

// Reset returns the server to its state after the start.
func (c *Admin) Reset(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "reset", nil, nil)
}

// SetRefusal sets the response to refused requests.
func (c *Admin) SetRefusal(ctx context.Context, refusal Refusal) error {
	return c.do(ctx, http.MethodPost, "refusal", refusal.wire(), nil)
}

// SetAnswer sets the responses to accepted requests.
func (c *Admin) SetAnswer(ctx context.Context, answer Answer) error {
	return c.do(ctx, http.MethodPost, "answer", answer.wire(), nil)
}

// Keys returns all versions, newest first.
func (c *Admin) Keys(ctx context.Context) ([]KeyState, error) {
	var out struct {
		Keys []wireState `json:"keys"`
	}
	err := c.do(ctx, http.MethodGet, "keys", nil, &out)
	var states []KeyState
	for _, s := range out.Keys {
		states = append(states, s.state())
	}
	return states, err
}

// Orders returns the applied orders, oldest first.
func (c *Admin) Orders(ctx context.Context) ([]Order, error) {
	var out struct {
		Orders []Order `json:"orders"`
	}
	err := c.do(ctx, http.MethodGet, "orders", nil, &out)
	return out.Orders, err
}

// Requests returns the logged attempts whose Seq is greater than after, oldest first.
func (c *Admin) Requests(ctx context.Context, after uint64) ([]Attempt, error) {
	var out struct {
		Requests []Attempt `json:"requests"`
	}
	err := c.do(ctx, http.MethodGet, "requests?after="+strconv.FormatUint(after, 10), nil, &out)
	return out.Requests, err
}

// What the admin API answers with.
type (
	Counts    = counts
	Addresses = addresses
)

// Counts returns the numbers of attempts by version; "" means attempts without a known
// key.
func (c *Admin) Counts(ctx context.Context) (map[string]Counts, error) {
	var out map[string]Counts
	err := c.do(ctx, http.MethodGet, "counts", nil, &out)
	return out, err
}

func (c *Admin) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("mockapi: %s: %w", path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("mockapi: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return fmt.Errorf("mockapi: %s: %w", path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("mockapi: %s: %w", path, err)
	case resp.StatusCode != http.StatusOK:
		var told struct{ Error string }
		_ = json.Unmarshal(data, &told) // empty if url is not that of an admin API
		err := fmt.Errorf("the admin API answered %s: %s", resp.Status, told.Error)
		if resp.StatusCode == http.StatusNotFound && told.Error != "" {
			err = ErrUnknownVersion
		}
		return fmt.Errorf("mockapi: %s: %w", path, err)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("mockapi: %s: the response is not valid JSON of an admin API", path) // without err, which may quote a secret
	}
	return nil
}

func toWire(s Spec) wireSpec {
	w := wireSpec{
		ID: s.ID, Secret: s.Secret, Extra: s.Extra, Scopes: s.Scopes, Metadata: s.Metadata,
		After: duration(s.After), ValidFor: duration(s.ValidFor),
		Inactive: s.Inactive, Pending: s.Pending, Unlisted: s.Unlisted,
	}
	if s.Replicas != nil {
		w.Replicas = make(map[int]duration)
	}
	for i, d := range s.Replicas {
		w.Replicas[i] = duration(d)
	}
	return w
}

func (a Answer) wire() wireAnswer {
	return wireAnswer{
		Status: a.Status, Header: a.Header, Body: &a.Body,
		Delay: duration(a.Delay), Drip: duration(a.Drip), Endless: a.Endless,
	}
}

func (r Refusal) wire() wireRefusal {
	return wireRefusal{Preset: "none", wireAnswer: r.answer().wire(), ReadBody: r.ReadBody, Applied: r.Applied}
}

func (w wireState) state() KeyState {
	return KeyState{
		Key: w.Key.key(), Replicas: w.Replicas, Revoked: w.Revoked, Listed: w.Listed, Pending: w.Pending,
		Accepted: w.Accepted, Refused: w.Refused,
	}
}

func (w wireKey) key() source.Key {
	k := source.Key{
		Version: w.Version, ID: w.ID, Secret: source.NewSecret(w.Secret),
		CreatedAt: w.CreatedAt, NotBefore: w.NotBefore, ExpiresAt: w.ExpiresAt, Scopes: w.Scopes, Metadata: w.Metadata,
	}
	for name, value := range w.Extra {
		if k.Extra == nil {
			k.Extra = make(map[string]source.Secret)
		}
		k.Extra[name] = source.NewSecret(value)
	}
	return k
}
