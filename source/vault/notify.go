package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

const (
	armTime  = 5 * time.Second  // bounds the login and the subscription
	moment   = time.Second      // by then Vault has made the subscription
	silence  = 30 * time.Second // between two pings; Vault uses the same interval
	eachHour = time.Hour        // until the next try if the server has no events
)

// Notify subscribes to the events of KV version 2 engines, and calls changed at each event of
// the secret's path: see [source.Notifier]. If the server has no events, or the policy does not
// allow the subscription, Notify waits for an hour and returns nil. The ring polls meanwhile.
// The errors are those of Read.
//
// https://developer.hashicorp.com/vault/docs/concepts/events
func (s *Source) Notify(ctx context.Context, changed func()) error {
	defer s.hangUp() // F104: the ring is closing
	return s.base.Notify(ctx, func(ctx context.Context) error { return s.watch(ctx, changed) })
}

func (s *Source) watch(ctx context.Context, changed func()) error {
	// F75, F87: bound the time, since readings wait while the session renews the token or
	// logs in.
	arming, cancel := context.WithTimeout(ctx, armTime)
	defer cancel()
	var conn *websocket.Conn
	_, err := s.session.do(arming, func(client *api.Client) (err error) {
		conn, err = subscribe(arming, client)
		return err
	})
	if conn != nil {
		defer func() { _ = conn.CloseNow() }()
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case noEvents(err):
		return await.Sleep(ctx, eachHour)
	case err != nil:
		return err
	}
	changed() // F14: not before the subscription
	return s.listen(ctx, conn, changed)
}

// subscribe asks for all events of KV version 2 on one connection: not only writes change which
// versions are usable. It follows one redirect, as the client does for a reading, because a
// standby node redirects to the active node. The connection stays open when ctx ends.
//
// https://developer.hashicorp.com/vault/docs/concepts/ha#client-redirection
func subscribe(ctx context.Context, client *api.Client) (*websocket.Conn, error) {
	config := client.CloneConfig()
	r := client.NewRequest(http.MethodGet, "/v1/sys/events/subscribe/kv-v2/*")
	r.Params.Set("json", "true")
	for followed := false; ; followed = true {
		conn, resp, err := dial(ctx, config.HttpClient.Transport, r)
		if err == nil || resp == nil {
			return conn, err
		}
		if to := redirectTarget(resp); to != nil && !followed && !config.DisableRedirects && (r.URL.Scheme != "https" || to.Scheme == "https") {
			r.URL, r.Host = to, to.Host // F84: the token goes along, but never from https to http
			continue
		}
		err = &api.ResponseError{StatusCode: resp.StatusCode}
		if after := reply.RetryAfter(resp.Header, time.Now()); after > 0 {
			err = &patient{err, after} // F77: the client's response callbacks do not get this response
		}
		return nil, err
	}
}

func dial(ctx context.Context, transport http.RoundTripper, r *api.Request) (*websocket.Conn, *http.Response, error) {
	req, err := r.ToHTTP()
	if err != nil {
		return nil, nil, err
	}
	return websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPHeader: req.Header, Host: req.Host,
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
}

// redirectTarget returns the target of a redirect that the client would follow, or nil for any other
// response.
func redirectTarget(resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect:
		if to, err := resp.Location(); err == nil && (to.Scheme == "http" || to.Scheme == "https") {
			return to
		}
	}
	return nil
}

// noEvents reports whether err says that the server has no events for this client. A redirect
// that was not followed does not say that: perhaps no node is active yet.
func noEvents(err error) bool {
	if _, login := err.(*loginError); login {
		return false
	}
	code := status(err)
	return code >= 200 && code < 500 && code/100 != 3 && code != http.StatusTooManyRequests
}

// listen calls changed at each event, and once more a moment after the beginning: Vault
// confirms a subscription shortly before it makes it (F14).
func (s *Source) listen(ctx context.Context, conn *websocket.Conn, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() {
		defer cancel()
		tick := time.NewTimer(moment)
		defer tick.Stop()
		for begun := false; ; begun = true {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			tick.Reset(silence)
			if !begun {
				changed()
				continue
			}
			waiting, done := context.WithTimeout(ctx, armTime)
			err := conn.Ping(waiting)
			done()
			if err != nil {
				return // the connection is broken, and no error said so
			}
		}
	})
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if s.concerns(data) {
			changed()
		}
	}
}

// concerns reports whether an event may be about the secret. An event that cannot be decoded
// may be. An event contains a path such as "data/exchange" or, from later servers,
// "secret/data/exchange", and no secret.
func (s *Source) concerns(event []byte) bool {
	var e struct {
		Data struct {
			Event struct {
				Metadata struct {
					Path string `json:"path"`
				} `json:"metadata"`
			} `json:"event"`
		} `json:"data"`
	}
	if json.Unmarshal(event, &e) != nil || e.Data.Event.Metadata.Path == "" {
		return true
	}
	return strings.HasSuffix(e.Data.Event.Metadata.Path, "/"+s.path)
}

var _ source.Notifier = (*Source)(nil)
