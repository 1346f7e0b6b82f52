package benchmark

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adshao/go-binance/v2/common"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

const (
	id     = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
	secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
)

// params are the parameters of an order. Both sides start from them and end with a
// header and a query that has the timestamp and the signature.
var params = url.Values{
	"symbol": {"LTCBTC"}, "side": {"BUY"}, "type": {"LIMIT"}, "timeInForce": {"GTC"}, "quantity": {"1"}, "price": {"0.1"},
	"recvWindow": {"5000"},
}

// peer signs like go-binance's Client.parseRequest, which is not exported, by its
// exported signing function: it encodes the parameters, signs them, and appends the
// signature.
func peer(encode bool) func() string {
	encoded := params.Encode()
	own := url.Values{}
	for k, v := range params {
		own[k] = v
	}
	return func() string {
		var query string
		now := fmt.Sprintf("%v", time.Now().UnixNano()/int64(time.Millisecond))
		if encode {
			own.Set("timestamp", now)
			query = strings.ReplaceAll(own.Encode(), "%40", "@")
		} else {
			query = encoded + "&timestamp=" + now
		}
		header := http.Header{}
		header.Set("X-MBX-APIKEY", id)
		sign, err := common.SignFunc(common.KeyTypeHmac)
		if err != nil {
			panic(err)
		}
		signature, err := sign(secret, fmt.Sprintf("%s%s", query, ""))
		if err != nil {
			panic(err)
		}
		v := url.Values{}
		v.Set("signature", *signature)
		return fmt.Sprintf("%s&%s", query, v.Encode())
	}
}

func ours(encode bool) func() string {
	signer := prepare()
	encoded := params.Encode()
	return func() string {
		u := &url.URL{Scheme: "https", Host: "api.binance.com", Path: "/api/v3/order", RawQuery: encoded}
		if encode {
			u.RawQuery = params.Encode()
		}
		req := &http.Request{Method: "POST", URL: u, Header: http.Header{}}
		if err := signer.Sign(req); err != nil {
			panic(err)
		}
		return req.URL.RawQuery
	}
}

// bare only signs, on a request that exists already.
func bare() func() string {
	signer := prepare()
	u := &url.URL{Scheme: "https", Host: "api.binance.com", Path: "/api/v3/order", RawQuery: params.Encode()}
	req := &http.Request{Method: "POST", Header: http.Header{}}
	return func() string {
		req.URL = u
		if err := signer.Sign(req); err != nil {
			panic(err)
		}
		return req.URL.RawQuery
	}
}

func prepare() transport.Signer {
	signer, err := provider.Binance().Scheme.Prepare(source.Key{ID: id, Secret: source.NewSecret(secret)})
	if err != nil {
		panic(err)
	}
	return signer
}

// The signatures of both sides are valid; otherwise the figures mean nothing.
func TestSignaturesAgree(t *testing.T) {
	for name, f := range map[string]func() string{"peer": peer(true), "ours": ours(true), "bare": bare()} {
		query, signature, ok := strings.Cut(f(), "&signature=")
		want, err := common.Hmac(secret, query)
		if !ok || err != nil || signature != *want {
			t.Errorf("%s: %s signed as %s, want %s", name, query, signature, *want)
		}
	}
}

func BenchmarkSignature(b *testing.B) {
	for _, c := range []struct {
		name string
		f    func() string
	}{
		{"from parameters/go-binance", peer(true)}, {"from parameters/rollingkeys", ours(true)},
		{"from a query/go-binance", peer(false)}, {"from a query/rollingkeys", ours(false)},
		{"signer alone/rollingkeys", bare()},
		{"whole call/go-binance", calls(b, peerCall(new(stub)))}, {"whole call/rollingkeys", calls(b, ourCall(b, new(stub)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.f()
			}
		})
	}
}

// BenchmarkRatio signs a thousand times on each side in turn and reports the median of
// the ratios. A busy machine changes the ratio less than either side.
func BenchmarkRatio(b *testing.B) {
	for _, c := range []struct {
		name       string
		ours, peer func() string
	}{
		{"from parameters", ours(true), peer(true)}, {"from a query", ours(false), peer(false)}, {"signer alone", bare(), peer(false)},
		{"whole call", calls(b, ourCall(b, new(stub))), calls(b, peerCall(new(stub)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ratios []float64
			for b.Loop() {
				ratios = append(ratios, float64(run(c.ours))/float64(run(c.peer)))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "x-go-binance")
		})
	}
}

func calls(b *testing.B, call func() error) func() string {
	return func() string {
		if err := call(); err != nil {
			b.Fatal(err)
		}
		return ""
	}
}

func run(f func() string) time.Duration {
	start := time.Now()
	for range 1000 {
		f()
	}
	return time.Since(start)
}
