package mockapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// F36: the log has a body's Content-Length or Transfer-Encoding, and its hash.
func TestLogShowsFramingOfBodies(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	const body = "some bytes"
	for _, test := range []struct {
		name   string
		body   io.Reader
		length int64
		coding string
		sum    string
	}{
		{"known length", strings.NewReader(body), 10, "[]", sum(body)},
		{"unknown length", io.MultiReader(strings.NewReader(body)), -1, "[chunked]", sum(body)},
		{"no body", http.NoBody, 0, "[]", sum("")},
	} {
		t.Run(test.name, func(t *testing.T) {
			send(t, api.Client(), request(t, http.MethodPut, api.URL()+"/a?b=c", key, test.body))
			log := api.Requests()
			a := log[len(log)-1]
			if a.Method != "PUT" || a.Path != "/a" || a.Query != "b=c" || a.Proto != "HTTP/1.1" || a.Status != 200 {
				t.Errorf("logged %+v", a)
			}
			if a.ContentLength != test.length || fmt.Sprint(a.TransferEncoding) != test.coding || a.BodySum != test.sum || !a.BodyComplete {
				t.Errorf("logged %+v", a)
			}
		})
	}
}

// F37: the log has trailers.
func TestLogShowsTrailers(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	r := request(t, http.MethodPost, api.URL()+"/x", key, io.MultiReader(strings.NewReader("body")))
	r.Trailer = http.Header{"X-Sum": {"abc"}}
	send(t, api.Client(), r)
	if a := api.Requests()[0]; a.Trailer.Get("X-Sum") != "abc" {
		t.Errorf("trailer %v", a.Trailer)
	}
}

// F67: each accepted POST /orders is applied once and refused ones are not. An order
// that is sent twice is applied twice.
func TestOrdersAreAppliedOncePerAcceptedRequest(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	place := func(key source.Key, body string, headers ...string) {
		send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/orders", key, strings.NewReader(body), headers...))
	}
	big := strings.Repeat("z", 1<<20)
	place(key, `{"client_order_id":"c-1"}`)
	place(source.Key{}, `{"client_order_id":"c-2"}`)
	place(key, "any\x00bytes", "Idempotency-Key", "c-3")
	place(key, `{"client_order_id":"c-1"}`)
	place(key, big)
	send(t, api.Client(), request(t, http.MethodGet, api.URL()+"/orders", key, nil))
	orders := api.Orders()
	var ids []string
	for _, o := range orders {
		ids = append(ids, o.ClientID)
	}
	if got := strings.Join(ids, " "); got != "c-1 c-3 c-1 " {
		t.Fatalf("orders %q", got)
	}
	if string(orders[1].Body) != "any\x00bytes" || orders[1].Version != "v1" || orders[1].Attempt != 3 {
		t.Errorf("order %+v", orders[1])
	}
	if o := orders[3]; o.Length != 1<<20 || o.Sum != sum(big) || len(o.Body) != 64<<10 {
		t.Errorf("large order: %d bytes, %d kept, sum %s", o.Length, len(o.Body), o.Sum)
	}
}

// An order whose body cannot be read to its end is not applied.
func TestBrokenBodyIsNoOrder(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	reached := make(chan struct{})
	body := io.MultiReader(strings.NewReader("first part"), readFunc(func([]byte) (int, error) {
		<-reached
		return 0, io.ErrUnexpectedEOF
	}))
	api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool {
		close(reached)
		return false
	})
	if resp, err := api.Client().Do(request(t, http.MethodPost, api.URL()+"/orders", key, body)); err == nil {
		resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := api.Close(); err != nil { // waits for the handler
		t.Fatal(err)
	}
	if orders := api.Orders(); len(orders) != 0 {
		t.Errorf("orders %+v", orders)
	}
	if a := api.Requests()[0]; a.BodyComplete || !a.Accepted {
		t.Errorf("logged %+v", a)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// F95: the log does not show a key, wherever a client puts it by mistake.
func TestLogHoldsNoSecret(t *testing.T) {
	api := mockapi.New(t, mockapi.WithRefusal(mockapi.Refusal{ReadBody: true}))
	key := api.Issue(mockapi.Spec{})
	s := key.Secret.Expose()
	r := request(t, http.MethodGet, api.URL()+"/"+s+"?k="+s+"&b=c&"+s, key, io.MultiReader(strings.NewReader("x")),
		"X-Api-Key", "given", "Cookie", "a=given", "X-Odd", "is "+s, "X-Plain", "stays")
	r.SetBasicAuth("me", "given")
	r.Trailer = http.Header{"X-Sum": {s}}
	send(t, api.Client(), r)
	a := api.Requests()[0]
	noSecret(t, "the log", fmt.Sprintf("%+v", a))
	if text := fmt.Sprint(a.Header); strings.Contains(text, "given") || a.Header.Get("X-Plain") != "stays" {
		t.Errorf("header %s", text)
	}
	if a.Trailer.Get("X-Sum") != "[redacted]" {
		t.Errorf("trailer %v", a.Trailer)
	}
	if a.Query != "k=[redacted]&b=c&[redacted]" {
		t.Errorf("query %s", a.Query)
	}
}

func TestLogShowsCredentialsWhenAsked(t *testing.T) {
	api := mockapi.New(t, mockapi.WithCredentialsLogged())
	key := api.Issue(mockapi.Spec{})
	get(t, api, key)
	if got := api.Requests()[0].Header.Get("Authorization"); got != "Bearer "+key.Secret.Expose() {
		t.Error("the log differs from what was sent")
	}
}

func TestLogKeepsTheLatest(t *testing.T) {
	for _, limit := range []int{0, 3} {
		api := mockapi.New(t, mockapi.WithLogLimit(limit))
		key := api.Issue(mockapi.Spec{})
		for range 8 {
			get(t, api, key)
		}
		log := api.Requests()
		if len(log) != limit {
			t.Fatalf("%d kept, want %d", len(log), limit)
		}
		for i, a := range log {
			if a.Seq != uint64(6+i) {
				t.Errorf("place %d: attempt %d", i, a.Seq)
			}
		}
		if accepted, _ := api.Count("v1"); accepted != 8 {
			t.Errorf("counted %d", accepted)
		}
	}
}

// F74: the response's headers and echo agree with the log.
func TestAnswersAgreeWithTheLog(t *testing.T) {
	for _, opts := range [][]mockapi.Option{nil, {mockapi.WithTLS()}, {mockapi.WithHTTP2()}} {
		api := mockapi.New(t, append(opts, mockapi.WithReplicas(3))...)
		keys := []source.Key{api.Issue(mockapi.Spec{}), api.Rotate(0), {Version: "", Secret: source.NewSecret("sentinel-stranger")}}
		var mu sync.Mutex
		answers := make(map[string]answer)
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				for i := range 30 {
					id := fmt.Sprint(g, "-", i)
					a := get(t, api, keys[(g+i)%3], "X-Request-Id", id)
					mu.Lock()
					answers[id] = a
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		log := api.Requests()
		if len(log) != len(answers) {
			t.Errorf("%d logged, %d sent", len(log), len(answers))
		}
		for i, a := range log {
			got := answers[a.Header.Get("X-Request-Id")]
			if got.Status != a.Status || got.Header.Get(mockapi.VersionHeader) != a.Version || got.Replica != fmt.Sprint(a.Replica) ||
				got.Proto != a.Proto || a.Accepted != (a.Status == 200) || a.Accepted != (a.Version == "v2") || a.Seq != uint64(i+1) {
				t.Errorf("answer %+v, log %+v", got, a)
			}
		}
	}
}

// F33: a long body is not kept in memory.
func TestLongBodyIsNotKept(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	const size = 8 << 20
	send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/x", key, io.MultiReader(bytes.NewReader(make([]byte, size)))))
	if a := api.Requests()[0]; a.BodyBytes != size || a.BodySum != sum(string(make([]byte, size))) {
		t.Errorf("logged %d bytes", a.BodyBytes)
	}
}
