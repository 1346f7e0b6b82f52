package remote_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

var quiet = log.New(io.Discard, "", 0)

func checkError(t *testing.T, err, want error) *source.Error {
	t.Helper()
	typed, ok := errors.AsType[*source.Error](err)
	if !ok || !errors.Is(err, want) {
		t.Fatalf("error %v (%T) is not a *source.Error that matches %v", err, err, want)
	}
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		if strings.Contains(text, sentinel) {
			t.Fatalf("the error holds the sentinel: %s", text) // F95
		}
	}
	return typed
}

func TestReadsTheKeyDocument(t *testing.T) {
	e := newEndpoint(t, "v1")
	src := open(t, e.Server)
	set, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if k := set.Keys[0]; !set.Complete || k.Version != "v1" || k.ID != "id-v1" || k.Secret.Expose() != sentinel+"-v1" {
		t.Errorf("read %+v", set)
	}
	e.set(document("v2"), `"v2"`)
	if v := current(t, src); v != "v2" {
		t.Errorf("after the change: %s", v)
	}
}

// F80
func Test304BringsTheHeldSetAsNew(t *testing.T) {
	var conditional atomic.Int64
	src := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `W/"a"`)
		if r.Header.Get("If-None-Match") == `W/"a"` {
			conditional.Add(1)
			w.Header().Set("Cache-Control", "max-age=7")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		writeJSON(w, document("v1"))
	}))
	first, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := src.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if conditional.Load() != 1 {
		t.Errorf("%d conditional requests, want 1", conditional.Load())
	}
	if !second.AsOf.After(first.AsOf) || second.FreshFor != 7*time.Second {
		t.Errorf("as of %v, then %v; fresh for %v", first.AsOf, second.AsOf, second.FreshFor)
	}
	if !second.Keys[0].SameContent(first.Keys[0]) {
		t.Error("the set differs")
	}
}

// F80
func Test304WithoutAPriorIsAnError(t *testing.T) {
	src := open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }))
	if err := fails(t, src, source.ErrInvalid); !strings.Contains(err.Error(), "304") {
		t.Errorf("error %v does not name the status", err)
	}
}

// F80
func TestAnotherETagOnTheSameDocument(t *testing.T) {
	e := newEndpoint(t, "v1")
	src := open(t, e.Server)
	current(t, src)
	e.set(document("v1"), `"other"`)
	for range 2 {
		if v := current(t, src); v != "v1" {
			t.Fatalf("read %s", v)
		}
	}
}

// F83: nothing of a refused document is kept, neither its ETag nor its keys.
func TestABadAnswerDoesNotReplaceTheHeldSet(t *testing.T) {
	e := newEndpoint(t, "v1")
	src := open(t, e.Server)
	current(t, src)
	e.set(`{"keys":[{"version":"v2","secret":"`+sentinel, `"v2"`)
	fails(t, src, source.ErrInvalid)
	e.set(document("v1"), `"v1"`)
	e.requests.Store(0)
	if v := current(t, src); v != "v1" || e.requests.Load() != 1 {
		t.Errorf("read %s with %d requests", v, e.requests.Load())
	}
}

// F79, F82, F83
func TestRefusesWhatIsNotAKeyDocument(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for range 16 << 10 {
		_, _ = zip.Write(make([]byte, 1<<10))
	}
	_ = zip.Close()

	cases := []struct {
		name    string
		header  map[string]string
		body    string
		endless bool
	}{
		{name: "login page", header: map[string]string{"Content-Type": "text/html"}, body: "<html>" + sentinel},
		{name: "login page called JSON", body: "<html>" + sentinel},
		{name: "document called text", header: map[string]string{"Content-Type": "text/plain"}, body: document("v1")},
		{name: "no type", header: map[string]string{"Content-Type": ""}, body: document("v1")},
		{name: "junk for a type", header: map[string]string{"Content-Type": sentinel + ";;="}, body: document("v1")},
		{name: "Latin-1", header: map[string]string{"Content-Type": "application/json; charset=iso-8859-1"}, body: document("v1")},
		{name: "empty", body: ""},
		{name: "empty object", body: "{}"},
		{name: "no keys", body: `{"keys":[]}`},
		{name: "empty secret", body: `{"keys":[{"version":"v1","secret":""}]}`},
		{name: "cut short", body: document("v1")[:30]},
		{name: "doubled field", body: `{"keys":[{"version":"v1","secret":"` + sentinel + `","secret":"b"}]}`},
		{name: "doubled version", body: `{"keys":[{"version":"v1","secret":"` + sentinel + `"},{"version":"v1","secret":"b"}]}`},
		{name: "misspelt field", body: `{"keys":[{"version":"v1","secret":"` + sentinel + `","Expires_at":"` + sentinel + `"}]}`},
		{name: "text behind it", body: document("v1") + sentinel},
		{name: "too long", body: `{"keys":[` + strings.Repeat(" ", source.MaxSize) + `]}`},
		{name: "gzip", header: map[string]string{"Content-Encoding": "gzip"}, body: bomb.String()},
		{name: "endless", endless: true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			src := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				for name, value := range tc.header {
					w.Header()[name] = []string{value}
				}
				_, err := io.WriteString(w, tc.body)
				for block := bytes.Repeat([]byte("{"), 4<<10); tc.endless && err == nil; {
					_, err = w.Write(block)
				}
			}))
			fails(t, src, source.ErrInvalid)
		})
	}
}

// F83: the connection ends in the middle of the document.
func TestAnAnswerCutOffByTheNetworkIsUnavailable(t *testing.T) {
	src := open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		writeJSON(w, document("v1")[:30])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	fails(t, src, source.ErrUnavailable)
}

// F78, F79: a reading of a slow body ends with the caller's context.
func TestADrippingBodyEndsWithTheContext(t *testing.T) {
	left := make(chan struct{})
	ctx := overdue{t.Context(), make(chan struct{})}
	src := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "application/json")
		tick := time.Tick(5 * time.Millisecond)
		for n := 1; ; n++ {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			if n == 20 { // not earlier: on a busy machine it takes long until a request arrives
				close(ctx.done)
			}
			select {
			case <-r.Context().Done():
				return
			case <-tick:
			}
		}
	}))
	_, err := src.Read(ctx)
	checkError(t, err, source.ErrUnavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v does not say that time was up", err)
	}
	<-left // the server has noticed that the client left
}

// overdue is a context whose deadline passes when done is closed.
type overdue struct {
	context.Context
	done chan struct{}
}

func (c overdue) Done() <-chan struct{} { return c.done }

func (c overdue) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestStatuses(t *testing.T) {
	cases := []struct {
		status   int
		want     error
		attempts int64
	}{
		{204, source.ErrInvalid, 1},
		{206, source.ErrInvalid, 1},
		{302, source.ErrUnavailable, 1}, // without a Location
		{400, source.ErrUnavailable, 1},
		{401, source.ErrDenied, 1},
		{403, source.ErrDenied, 1},
		{404, source.ErrNoKey, 1},
		{410, source.ErrNoKey, 1},
		{429, source.ErrUnavailable, 1},
		{500, source.ErrUnavailable, 2},
		{501, source.ErrUnavailable, 1},
		{503, source.ErrUnavailable, 2},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprint(tc.status), func(t *testing.T) {
			var attempts atomic.Int64
			src := open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				attempts.Add(1)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, sentinel)
			}))
			fails(t, src, tc.want)
			if attempts.Load() != tc.attempts {
				t.Errorf("%d attempts, want %d", attempts.Load(), tc.attempts)
			}
		})
	}
}

// F77: if the server sends Retry-After, the source sends one request and passes the time on,
// within limits. It does not wait itself.
func TestRetryAfterIsPassedOn(t *testing.T) {
	var attempts atomic.Int64
	src := open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		attempts.Add(1)
		w.Header().Set("Retry-After", "9223372037")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	if err := fails(t, src, source.ErrUnavailable); err.RetryAfter != time.Hour {
		t.Errorf("RetryAfter %v, want 1 h", err.RetryAfter)
	}
	if attempts.Load() != 1 {
		t.Errorf("%d attempts, want 1", attempts.Load())
	}
}

func TestASecondAttemptHelps(t *testing.T) {
	var attempts atomic.Int64
	src := open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if attempts.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		writeJSON(w, document("v1"))
	}))
	if v := current(t, src); v != "v1" {
		t.Errorf("read %s", v)
	}
}

// F95, F103: an error does not quote a server that does not speak HTTP.
func TestASecretInTheQueryStaysThere(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("token") != sentinel {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Location", "https://[bad/"+sentinel)
		w.WriteHeader(http.StatusFound)
	})
	src := openURL(t, srv.URL+"/keys?token="+sentinel, trust(srv))
	fails(t, src, source.ErrUnavailable)
	srv.Close()
	fails(t, src, source.ErrUnavailable) // connection refused
	for _, text := range []string{fmt.Sprint(src), fmt.Sprintf("%+v", src), fmt.Sprintf("%#v", src)} {
		if strings.Contains(text, sentinel) {
			t.Errorf("the source shows its query: %s", text)
		}
	}
}
