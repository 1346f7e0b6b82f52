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
	armTime  = 5 * time.Second  // bounds the arming of a subscription, login included
	moment   = time.Second      // after which Vault surely has made the subscription
	silence  = 30 * time.Second // between two pings; Vault's own pause
	eachHour = time.Hour        // a server without events may be another by then
)

// Notify subscribes to the events of KV version 2 engines and calls changed at
// each that names the secret's path, as [source.Notifier] has it. Where there are
// none, for the server is too old or not Enterprise, or the policy does not allow
// it, Notify only waits, and the ring polls. Other errors are those of Read.
//
// https://developer.hashicorp.com/vault/docs/concepts/events
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context) error { return s.watch(ctx, changed) })
}

func (s *Source) watch(ctx context.Context, changed func()) error {
	// F75, F87: readings wait while the session sees to the token for us.
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
	case hasNone(err):
		return await.Sleep(ctx, eachHour)
	case err != nil:
		return err
	}
	changed() // F14: only now that we are subscribed
	return s.listen(ctx, conn, changed)
}

// subscribe asks for every event of KV version 2. All come on one connection: of
// what changes a version's standing, a write is but one kind. One redirect is
// followed, as the client does for a reading: a standby names the active node.
// The connection lives on when ctx ends.
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
		if to := elsewhere(resp); to != nil && !followed && !config.DisableRedirects && (r.URL.Scheme != "https" || to.Scheme == "https") {
			r.URL, r.Host = to, to.Host // F84: with the token, but never from https to http
			continue
		}
		err = &api.ResponseError{StatusCode: resp.StatusCode}
		if after := reply.RetryAfter(resp.Header, time.Now()); after > 0 {
			err = &patient{err, after} // F77: the client's callbacks do not see this response
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

// elsewhere returns where a redirect of a kind that the client follows leads to,
// nil for every other response.
func elsewhere(resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect:
		if to, err := resp.Location(); err == nil && (to.Scheme == "http" || to.Scheme == "https") {
			return to
		}
	}
	return nil
}

// hasNone reports whether the server said that it has no events for us. A redirect
// that is not followed is no such word: it may be that no node is active yet.
func hasNone(err error) bool {
	if _, login := err.(*loginError); login {
		return false
	}
	code := status(err)
	return code >= 200 && code < 500 && code/100 != 3 && code != http.StatusTooManyRequests
}

// listen calls changed at each event, and once more a moment after the beginning:
// Vault says that we are subscribed just before it is so (F14).
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
				return // a connection that died without a word
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

// concerns reports whether an event may be about the secret: one that cannot be
// read may be. It holds a path such as "data/exchange" or, from later servers,
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
