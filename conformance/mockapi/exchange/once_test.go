package exchange_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// If the response to an order is lost, or its outcome unknown, the exchange has the
// order once, even if it is a GET as at Deribit: neither net/http nor
// client.WithRetry sends it again. They do repeat requests that only read. F67
func TestUnknownOrdersAreSentOnce(t *testing.T) {
	lost := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for what, c := range map[string]struct {
		answer  func(http.ResponseWriter)
		retries int
	}{
		"connection lost": {lost, 0}, "connection lost, WithRetry": {lost, 1},
		"504, WithRetry": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) }, 1},
	} {
		answer, retries := c.answer, c.retries
		t.Run(what, func(t *testing.T) {
			each(t, func(t *testing.T, name string) {
				e := newExchange(t, name)
				api := mockapi.New(t, e.Options()...)
				p := profiles[name]()
				p.Origins = []string{api.URL()}
				c, err := client.New(t.Context(), keys{api.Issue(mockapi.Spec{})}, client.WithProvider(p), client.WithRetry(retries),
					client.WithBase(api.Client().Transport), client.WithRing(ring.WithLogger(nil)))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				b := &trader{e, api, c.Ring(), c.Client}
				// net/http repeats requests on a reused connection only.
				if err := b.place(t.Context(), e.OrderID(1)); err != nil {
					t.Fatal(err)
				}
				api.Intercept(func(w http.ResponseWriter, r *http.Request, a mockapi.Attempt) bool {
					if a.Accepted {
						carriedOut := httptest.NewRecorder()
						carriedOut.Header().Set(mockapi.VersionHeader, a.Version)
						e.ServeHTTP(carriedOut, r)
					}
					answer(w)
					return true
				})
				if err := b.place(t.Context(), e.OrderID(2)); err == nil {
					t.Error("the answer was not lost")
				}
				if n := len(e.Orders()); n != 2 {
					t.Errorf("%d orders in the books, 2 were placed", n)
				}
				was := len(api.Requests())
				if req, err := e.Read(t.Context(), api.URL()); err != nil {
					t.Fatal(err)
				} else if _, _, err := b.send(req); retries > 0 && req.Method == http.MethodGet && len(api.Requests()) < was+2 {
					t.Errorf("a reading was sent %d times, %v", len(api.Requests())-was, err)
				}
			})
		})
	}
}
