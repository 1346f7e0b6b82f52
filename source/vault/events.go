package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
)

const (
	armTime  = 5 * time.Second  // bounds the arming of a subscription
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
	var conn *websocket.Conn
	_, err := s.session.do(ctx, func(client *api.Client) (err error) {
		conn, err = subscribe(ctx, client)
		return err
	})
	switch {
	case ctx.Err() != nil:
		if conn != nil {
			_ = conn.CloseNow()
		}
		return nil
	case hasNone(err):
		again := time.NewTimer(eachHour)
		defer again.Stop()
		select {
		case <-again.C:
		case <-ctx.Done():
		}
		return nil
	case err != nil:
		return s.all.Fail(ctx, err)
	}
	defer func() { _ = conn.CloseNow() }()
	changed() // F14: only now that we are subscribed
	if err := s.listen(ctx, conn, changed); ctx.Err() == nil {
		return s.all.Fail(ctx, err)
	}
	return nil
}

// subscribe asks for every event of KV version 2. All come on one connection: of
// what changes a version's standing, a write is but one kind.
func subscribe(ctx context.Context, client *api.Client) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, armTime)
	defer cancel()
	r := client.NewRequest(http.MethodGet, "/v1/sys/events/subscribe/kv-v2/*")
	r.Params.Set("json", "true")
	req, err := r.ToHTTP()
	if err != nil {
		return nil, err
	}
	conn, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPHeader: req.Header, Host: req.Host,
		HTTPClient: &http.Client{ // F84: the token goes nowhere else
			Transport:     client.CloneConfig().HttpClient.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if err != nil && resp != nil {
		return nil, &api.ResponseError{StatusCode: resp.StatusCode}
	}
	return conn, err
}

// hasNone reports whether the server said that it has no events for us.
func hasNone(err error) bool {
	if _, login := err.(*loginError); login {
		return false
	}
	code := status(err)
	return code >= 200 && code < 500 && code != http.StatusTooManyRequests
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
