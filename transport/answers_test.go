package transport_test

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// F51: an answer that only looks like a refusal goes to the caller, and the request is
// sent once.
func TestAnswersThatAreNoRefusal(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		var attempts atomic.Int64
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			attempts.Add(1)
			var status int
			_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
			if status == http.StatusProxyAuthRequired {
				w.Header().Set("Proxy-Authenticate", "Basic")
			}
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(status)
		}))
		ring := keep(t, newStore("v2", "v1"))
		rt := unbound(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		// Only the first three prove that the key was accepted: before a 400, 403 or 404
		// the server may not have checked it.
		statuses := []int{200, 204, 304, 400, 403, 404, 407, 408, 429, 500, 502, 503}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			for _, status := range statuses {
				attempts.Store(0)
				req := request(t, method, fmt.Sprintf("%s/%d", srv.URL, status), nil)
				var hints atomic.Int64
				req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints.Add(1); return nil },
				}))
				send(t, rt, req).want(t, status, "v2", 1)
				if attempts.Load() != 1 || hints.Load() != 1 {
					t.Errorf("%s %d: %d attempts, %d early hints", method, status, attempts.Load(), hints.Load())
				}
			}
		}
		if st := ring.Status(); !st.Healthy || st.Current.Refused != 0 || st.Current.InFlight != 0 || st.Current.Accepted != 3*3 {
			t.Errorf("status %+v", st.Current)
		}
	})
}
