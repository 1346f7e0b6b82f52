package mockapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// F65, F66: refusals are as set by WithRefusal and SetRefusal.
func TestEachShapeOfRefusal(t *testing.T) {
	for _, test := range []struct {
		name      string
		refusal   mockapi.Refusal
		status    int
		challenge string
		body      string
	}{
		{"default", mockapi.Unauthorized(), 401, `Bearer realm="mockapi"`, `{"error":"unauthorized"}`},
		{"RFC 6750", mockapi.InvalidToken(), 401, `Bearer realm="mockapi", error="invalid_token"`, `{"error":"invalid_token"}`},
		{"scope", mockapi.InsufficientScope(), 403, `Bearer realm="mockapi", error="insufficient_scope"`, `{"error":"insufficient_scope"}`},
		{"forbidden", mockapi.Forbidden(), 403, "", ""},
		{"zero", mockapi.Refusal{}, 401, "", ""},
		{"own", mockapi.Refusal{Status: 500, Header: http.Header{"www-authenticate": {"x"}}, Body: `["error",10100]`}, 500, "x", `["error",10100]`},
		{"dripping", mockapi.Refusal{Body: "drip", Drip: time.Millisecond, Delay: time.Millisecond}, 401, "", "drip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := mockapi.New(t, mockapi.WithRefusal(test.refusal))
			check := func() {
				t.Helper()
				a := get(t, api, source.Key{})
				if a.Status != test.status || a.Header.Get("WWW-Authenticate") != test.challenge || a.Body != test.body {
					t.Errorf("%d %v %q", a.Status, a.Header, a.Body)
				}
				log := api.Requests()
				if last := log[len(log)-1]; last.Status != test.status || last.Accepted {
					t.Errorf("logged %+v", last)
				}
			}
			check()
			api.SetRefusal(mockapi.Refusal{Status: 418})
			if a := get(t, api, source.Key{}); a.Status != 418 {
				t.Errorf("status %d", a.Status)
			}
			api.SetRefusal(test.refusal)
			check()
		})
	}
}

// F32: an endless refusal goes on while the client reads, with and without Drip. It
// ends when the client disconnects and when the API closes.
func TestEndlessRefusals(t *testing.T) {
	for _, drip := range []time.Duration{0, time.Millisecond} {
		for _, opts := range [][]mockapi.Option{nil, {mockapi.WithHTTP2()}} {
			api := mockapi.New(t, append(opts, mockapi.WithRefusal(mockapi.Refusal{Endless: true, Drip: drip}))...)
			for range 2 {
				resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), source.Key{}, nil))
				if err != nil {
					t.Fatal(err)
				}
				n := int64(20)
				if drip == 0 {
					n = 1 << 20
				}
				if got, err := io.CopyN(io.Discard, resp.Body, n); err != nil {
					t.Errorf("ended after %d bytes: %v", got, err)
				}
				resp.Body.Close()
			}
			resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), source.Key{}, nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := api.Close(); err != nil {
				t.Error(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err == nil {
				t.Error("after Close the client read the end of the body, want an error")
			}
			resp.Body.Close()
		}
	}
}

// F32: Close ends a refusal that waits for its Delay.
func TestCloseCutsADelayedRefusal(t *testing.T) {
	api := mockapi.New(t, mockapi.WithRefusal(mockapi.Refusal{Delay: time.Hour}))
	reached := make(chan struct{})
	api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool { close(reached); return false })
	done := make(chan error, 1)
	go func() {
		resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), source.Key{}, nil))
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-reached
	if err := api.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("answered")
	}
}

// F35, F38: without ReadBody, a refusal is sent before the body is read and without
// 100 Continue.
func TestRefusalLeavesTheBodyUnread(t *testing.T) {
	api := mockapi.New(t)
	api.Client().Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	const body = "to be read, or not"
	for _, read := range []bool{false, true} {
		refusal := mockapi.Unauthorized()
		refusal.ReadBody = read
		api.SetRefusal(refusal)
		continued := false
		ctx := httptrace.WithClientTrace(within(t), &httptrace.ClientTrace{
			Got100Continue: func() { continued = true },
		})
		r := request(t, http.MethodPost, api.URL()+"/x", source.Key{}, strings.NewReader(body), "Expect", "100-continue")
		if a := send(t, api.Client(), r.WithContext(ctx)); a.Status != 401 {
			t.Errorf("status %d", a.Status)
		}
		log := api.Requests()
		a := log[len(log)-1]
		if continued != read || a.BodyComplete != read || (a.BodySum == sum(body)) != read {
			t.Errorf("read %v: continued %v, logged %+v", read, continued, a)
		}
	}
}

// F67: with Applied, an order is applied and refused.
func TestRefusalAfterApplying(t *testing.T) {
	api := mockapi.New(t, mockapi.WithRefusal(mockapi.Refusal{Status: 403, Applied: true}))
	key := api.Issue(mockapi.Spec{Inactive: true})
	a := send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/orders", key, strings.NewReader("x")))
	if orders := api.Orders(); a.Status != 403 || len(orders) != 1 || orders[0].Version != "v1" {
		t.Errorf("status %d, orders %+v", a.Status, orders)
	}
}

// F59: a Hold delays the responses to one version only. The server has decided on a
// held request before the hold is released.
func TestHoldKeepsALateRefusal(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	v2 := api.Rotate(0)
	hold := api.Hold("v1")
	late := make(chan answer, 2)
	for range 2 {
		go func() { late <- get(t, api, v1) }()
	}
	if err := hold.Wait(within(t), 2); err != nil {
		t.Fatal(err)
	}
	status(t, api, v2, 200)
	if len(late) > 0 {
		t.Error("answered while held")
	}
	hold.Release()
	hold.Release()
	for range 2 {
		if a := <-late; a.Status != 401 {
			t.Errorf("status %d", a.Status)
		}
	}
	status(t, api, v1, 401) // the hold has ended
	if log := api.Requests(); log[0].Version != "v1" || log[1].Version != "v1" || log[2].Version != "v2" || log[0].Status != 401 {
		t.Errorf("log %+v", log)
	}
}

// Releasing a hold that a later hold has replaced releases its own responses only.
func TestHoldsTakeTurns(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	answers := make(chan answer, 1)
	var holds []*mockapi.Hold
	for range 2 {
		hold := api.Hold("v1")
		go func() { answers <- get(t, api, v1) }()
		if err := hold.Wait(within(t), 1); err != nil {
			t.Fatal(err)
		}
		holds = append(holds, hold)
	}
	holds[0].Release()
	<-answers
	go func() { answers <- get(t, api, v1) }()
	if err := holds[1].Wait(within(t), 2); err != nil {
		t.Fatal(err)
	}
	holds[1].Release()
	<-answers
	<-answers
}

func TestHoldWaitHeedsItsContext(t *testing.T) {
	api := mockapi.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := api.Hold("v1").Wait(ctx, 1); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

// F41, F106: a held request ends when its client disconnects and when the API closes.
func TestHeldRequestEndsWithItsClientOrClose(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	hold := api.Hold("v1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	ask := func(ctx context.Context) {
		resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), v1, nil).WithContext(ctx))
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}
	go ask(ctx)
	go ask(t.Context())
	if err := hold.Wait(within(t), 2); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the first was answered")
	}
	if err := api.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("the second was answered")
	}
}

// F53: an InterceptFunc can answer in place of the server, for example with a redirect.
func TestInterceptAnswersOrNot(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	api.Intercept(func(w http.ResponseWriter, r *http.Request, a mockapi.Attempt) bool {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/home", http.StatusFound)
			return true
		case "/scope":
			api.Refuse(w, r, mockapi.InsufficientScope())
			return true
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		}
		return false
	})
	ask := func(path string) answer {
		return send(t, api.Client(), request(t, http.MethodGet, api.URL()+path, key, nil))
	}
	if a := ask("/away"); a.Status != 200 {
		t.Errorf("status %d", a.Status)
	}
	if a := ask("/scope"); a.Status != 403 {
		t.Errorf("status %d", a.Status)
	}
	if a := ask("/early"); a.Status != 200 {
		t.Errorf("status %d", a.Status)
	}
	var statuses []int
	for _, a := range api.Requests() {
		statuses = append(statuses, a.Status)
	}
	if len(statuses) != 4 || statuses[0] != 302 || statuses[1] != 200 || statuses[2] != 403 || statuses[3] != 200 {
		t.Errorf("statuses %v", statuses)
	}
	api.Intercept(nil)
	if a := ask("/scope"); a.Status != 200 {
		t.Errorf("status %d", a.Status)
	}
}

// F39: an InterceptFunc can hijack the connection for an upgrade.
func TestInterceptMayHijack(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	api.Intercept(func(w http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return false
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.CopyN(conn, buffered, 4)
		return true
	})
	resp, err := api.Client().Do(request(t, http.MethodGet, api.URL(), key, nil, "Connection", "Upgrade", "Upgrade", "echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%d, body %T", resp.StatusCode, resp.Body)
	}
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "ping" {
		t.Errorf("%q, %v", got, err)
	}
}

// The log has the number of bytes that the handler read of a body.
func TestLogShowsWhatTheHandlerRead(t *testing.T) {
	api := mockapi.New(t, mockapi.WithHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 4))
	})))
	key := api.Issue(mockapi.Spec{})
	send(t, api.Client(), request(t, http.MethodPost, api.URL(), key, strings.NewReader("four and more")))
	if err := api.Close(); err != nil { // waits for the handler
		t.Fatal(err)
	}
	if a := api.Requests()[0]; a.BodyBytes != 4 || a.BodySum != sum("four") || a.BodyComplete {
		t.Errorf("logged %+v", a)
	}
}

func TestHandlerAnswersAcceptedRequestsOnly(t *testing.T) {
	api := mockapi.New(t, mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})))
	key := api.Issue(mockapi.Spec{})
	ask := func(key source.Key) answer {
		return send(t, api.Client(), request(t, http.MethodPost, api.URL(), key, strings.NewReader("mirror")))
	}
	if a := ask(key); a.Body != "mirror" {
		t.Errorf("%d %q", a.Status, a.Body)
	}
	if a := ask(source.Key{}); a.Status != 401 {
		t.Errorf("%d %q", a.Status, a.Body)
	}
	if a := api.Requests()[0]; a.BodySum != sum("mirror") || a.Status != 200 {
		t.Errorf("logged %+v", a)
	}
}
