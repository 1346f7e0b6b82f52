package transport_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Two runes outside ASCII have an ASCII letter as their lower case: U+0130 (i) and
// U+212A (k). A host with one of them is another host, in a URL, in Host, in a redirect
// and in WithOrigin.
//
// F167
func TestHostsThatFoldToTheKeysOwn(t *testing.T) {
	sent := 0
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent++
		return status(http.StatusOK), nil
	})
	ring := quiet(t, newStore("v1"))
	rt := transport.New(ring, transport.Bearer(), transport.WithBase(base), transport.WithOrigin("https://api.kraken.example"))
	for _, host := range []string{"ap\u0130.kraken.example", "api.\u212araken.example", "api.kra\u212aen.example"} {
		for name, req := range map[string]*http.Request{
			"URL":  {Method: http.MethodGet, URL: get(t, "https://"+host+"/").URL},
			"Host": {Method: http.MethodGet, URL: get(t, "https://api.kraken.example/").URL, Host: host},
		} {
			if _, err := rt.RoundTrip(req); !errors.Is(err, transport.ErrOrigin) {
				t.Errorf("%s %+q: error %v", name, host, err)
			}
		}
		if err := transport.New(ring, transport.Bearer(), transport.WithOrigin("https://"+host)).Err(); !errors.Is(err, transport.ErrOrigin) {
			t.Errorf("WithOrigin %+q: error %v", host, err)
		}
		redirected := get(t, "https://"+host+"/")
		redirected.Response = &http.Response{Request: get(t, "https://api.kraken.example/")}
		resp, err := transport.New(ring, transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%+q: a redirect took the key along", host)
			}
			return status(http.StatusOK), nil
		})), transport.WithOrigin("https://api.kraken.example")).RoundTrip(redirected)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if sent != 0 {
		t.Errorf("%d requests were sent", sent)
	}
}
