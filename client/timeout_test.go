package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// refusing answers every request with a 401 after that time.
func refusing(after time.Duration) http.RoundTripper {
	return baseFunc(func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(after):
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody}, nil
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	})
}

// versions lists these keys at each reading, newest first.
type versions []string

func (v versions) Read(context.Context) (set source.Set, _ error) {
	for _, name := range v {
		set.Keys = append(set.Keys, source.Key{Version: name, Secret: source.NewSecret("sentinel-" + name)})
	}
	set.Complete = true
	return set, nil
}

// WithTimeout bounds all attempts together.
//
// F42
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, versions{"v2", "v1"}, client.WithTimeout(time.Second), client.WithOrigin("https://a.example"), client.WithBase(refusing(600*time.Millisecond)))
		start := time.Now()
		if resp, err := c.Get("https://a.example"); err == nil {
			_ = resp.Body.Close()
			t.Error("no timeout")
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// A wrong key is answered with the refusal within the client's timeout, however long the
// ring may wait for another key.
//
// F133
func TestRefusalComesWithinTheTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{50 * time.Millisecond, time.Second, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, versions{"wrong"}, client.WithTimeout(timeout), client.WithOrigin("https://a.example"), client.WithBase(refusing(time.Millisecond)),
				client.WithRing(ring.WithRefusalWait(time.Hour)))
			start := time.Now()
			if got := get(t, c, "https://a.example"); got != http.StatusUnauthorized {
				t.Errorf("with %v: status %d", timeout, got)
			}
			if d := time.Since(start); d >= timeout {
				t.Errorf("with %v: after %v", timeout, d)
			}
		})
	}
}

// If the caller's context ends first, the error says that every key was refused, with
// retries too.
//
// F133
func TestErrorAfterARefusal(t *testing.T) {
	for _, retries := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, versions{"wrong"}, client.WithRetry(retries), client.WithOrigin("https://a.example"), client.WithBase(refusing(time.Millisecond)),
				client.WithRing(ring.WithRefusalWait(time.Hour)))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.example", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = c.Do(req); !errors.Is(err, context.Canceled) || !errors.Is(err, ring.ErrRefused) {
				t.Errorf("with %d retries: %v", retries, err)
			}
		})
	}
}
