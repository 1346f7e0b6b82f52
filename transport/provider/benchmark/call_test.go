package benchmark

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/adshao/go-binance/v2"
	"github.com/adshao/go-binance/v2/common"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// stub answers at once and records the request.
type stub struct {
	query, key string
	resp       http.Response
}

func (s *stub) RoundTrip(req *http.Request) (*http.Response, error) {
	s.query, s.key = req.URL.RawQuery, req.Header.Get("X-MBX-APIKEY")
	s.resp = http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}
	return &s.resp, nil
}

// peerCall requests an order with go-binance, using only its own code.
func peerCall(s *stub) func() error {
	c := binance.NewClient(id, secret)
	c.HTTPClient = &http.Client{Transport: s}
	return func() error {
		_, err := c.NewGetOrderService().Symbol("LTCBTC").OrigClientOrderID("rk-1").Do(context.Background(), binance.WithRecvWindow(5000))
		return err
	}
}

// ourCall requests the same with an http.Client over the project's transport.
func ourCall(tb testing.TB, s *stub) func() error {
	key := source.Key{ID: id, Secret: source.NewSecret(secret)}
	keys, err := ring.Keep(context.Background(), source.Static(key), ring.WithLogger(nil))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { keys.Close() })
	p := provider.Binance()
	c := &http.Client{Transport: transport.New(keys, p.Scheme, transport.WithClassifier(p.Classifier),
		transport.WithOrigin(p.Origins...), transport.WithBase(s))}
	return func() error {
		v := url.Values{}
		v.Set("symbol", "LTCBTC")
		v.Set("origClientOrderId", "rk-1")
		v.Set("recvWindow", "5000")
		resp, err := c.Get("https://api.binance.com/api/v3/order?" + v.Encode())
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, new(binance.Order))
	}
}

// Both send the key and a query with a valid signature.
func TestCallsAgree(t *testing.T) {
	for name, call := range map[string]func(*stub) func() error{
		"peer": peerCall, "ours": func(s *stub) func() error { return ourCall(t, s) },
	} {
		var s stub
		if err := call(&s)(); err != nil {
			t.Fatal(err)
		}
		query, signature, ok := strings.Cut(s.query, "&signature=")
		want, err := common.Hmac(secret, query)
		if !ok || err != nil || signature != *want || s.key != id || !strings.Contains(query, "recvWindow=5000") {
			t.Errorf("%s: %s signed as %s, want %s", name, query, signature, *want)
		}
	}
}
