package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// stub answers without allocating.
type stub struct{ resp *http.Response }

func (s stub) RoundTrip(*http.Request) (*http.Response, error) { return s.resp, nil }

// limit is the least work that attaches a key within the RoundTripper contract.
type limit struct {
	base  http.RoundTripper
	value []string
}

func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	out := new(http.Request)
	*out = *req
	out.Header = make(http.Header, len(req.Header)+1)
	for k, v := range req.Header {
		out.Header[k] = v
	}
	out.Header["Authorization"] = l.value
	return l.base.RoundTrip(out)
}

func benchRequest(headers int) *http.Request {
	req, _ := http.NewRequest(http.MethodGet, "https://api.example.com/v1/things", nil)
	for i := range headers {
		req.Header.Set(fmt.Sprintf("X-Header-%d", i), "value")
	}
	return req
}

// BenchmarkAttach is the cost of putting a header key on a request.
func BenchmarkAttach(b *testing.B) {
	base := stub{&http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}}
	ring, err := source.Keep(context.Background(), source.Static(source.Key{Secret: source.NewSecret("bench")}), source.WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close()
	for _, headers := range []int{0, 5, 15} {
		req := benchRequest(headers)
		for _, c := range []struct {
			name string
			rt   http.RoundTripper
		}{
			{"limit", limit{base, []string{"Bearer bench"}}},
			{"rollingkeys", transport.New(ring, transport.Bearer(), transport.WithBase(base))},
			{"oauth2", &oauth2.Transport{Base: base, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "bench"})}},
		} {
			b.Run(fmt.Sprintf("headers=%d/rt=%s", headers, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.rt.RoundTrip(req); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
