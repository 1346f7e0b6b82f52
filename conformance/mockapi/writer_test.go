package mockapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// handled runs test for each protocol, with an API that has the handler.
func handled(t *testing.T, h http.HandlerFunc, test func(t *testing.T, api *mockapi.API, key source.Key)) {
	t.Helper()
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http1 with TLS": {mockapi.WithTLS()}, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			api := mockapi.New(t, append(opts, mockapi.WithHandler(h))...)
			test(t, api, api.Issue(mockapi.Spec{}))
		})
	}
}

// Server-sent events reach the client when the handler flushes them, through
// http.Flusher or http.ResponseController. F121
func TestEventsArriveAsTheyAreFlushed(t *testing.T) {
	next := make(chan struct{})
	flushes := map[string]func(http.ResponseWriter) error{
		"Flusher":    func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
		"controller": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
	}
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			if i > 0 {
				if _, err := fmt.Fprintf(w, "data: %d\n", i); err != nil {
					t.Error(err)
				}
			}
			if err := flushes[r.URL.Query().Get("by")](w); err != nil {
				t.Error(err)
			}
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}, func(t *testing.T, api *mockapi.API, key source.Key) {
		for by := range flushes {
			r := request(t, http.MethodGet, api.URL()+"/?by="+by, key, nil).WithContext(within(t))
			resp, err := api.Client().Do(r) // returns at the first flush
			if err != nil {
				t.Fatal(err)
			}
			list := api.Requests()
			if a := list[len(list)-1]; a.Status != 200 || a.Version != "v1" {
				t.Errorf("logged at the first flush: %d, %q", a.Status, a.Version)
			}
			lines := bufio.NewReader(resp.Body)
			next <- struct{}{}
			for i := 1; i < 3; i++ {
				if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("%s: %q, %v", by, line, err)
				}
				next <- struct{}{} // lets the handler send the next event
			}
			if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
				t.Errorf("%s: after the last event: %q, %v", by, rest, err)
			}
			resp.Body.Close()
			status(t, api, source.Key{}, 401) // without a key the handler is not called
		}
	})
}

// A handler can hijack its connection in each way that WebSocket servers use. The
// log has the status that the handler writes. F121
func TestConnectionsMayBeHijacked(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
	ways := map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"Hijacker": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, err = io.WriteString(conn, head)
			}
			return conn, rw, err
		},
		"controller, buffered, in pieces": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			for i := range head {
				if err == nil {
					_, err = rw.WriteString(head[i : i+1])
				}
				if err == nil {
					err = rw.Flush()
				}
			}
			return conn, rw, err
		},
		"WriteHeader first": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			w.Header().Set("Upgrade", "echo")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return http.NewResponseController(w).Hijack()
		},
	}
	echo := func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Pusher); ok {
			t.Error("HTTP/1.1 pushes")
		}
		conn, rw, err := ways[r.URL.Query().Get("by")](w)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, rw) // rw may have buffered bytes from before Hijack
	}
	for name, opts := range map[string][]mockapi.Option{"plain": nil, "TLS": {mockapi.WithTLS()}} {
		t.Run(name, func(t *testing.T) {
			api := mockapi.New(t, append(opts, mockapi.WithHandler(http.HandlerFunc(echo)))...)
			key := api.Issue(mockapi.Spec{})
			upgrade := func(by string, key source.Key) *http.Response {
				t.Helper()
				r := request(t, http.MethodGet, strings.ReplaceAll(api.URL()+"/?by="+by, " ", "+"), key, nil, "Upgrade", "echo", "Connection", "Upgrade")
				resp, err := api.Client().Do(r.WithContext(within(t)))
				if err != nil {
					t.Fatal(err)
				}
				return resp
			}
			say := func(conn io.ReadWriteCloser, text string) {
				t.Helper()
				defer context.AfterFunc(within(t), func() { conn.Close() })()
				back := make([]byte, len(text))
				_, err := io.WriteString(conn, text)
				if err == nil {
					_, err = io.ReadFull(conn, back)
				}
				if err != nil || string(back) != text {
					t.Errorf("%q came back, %v", back, err)
				}
			}
			for by := range ways {
				resp := upgrade(by, key)
				conn, ok := resp.Body.(io.ReadWriteCloser)
				if !ok || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "echo" {
					t.Fatalf("%s: status %d", by, resp.StatusCode)
				}
				list := api.Requests()
				if a := list[len(list)-1]; a.Status != 101 || a.Version != key.Version || !a.Accepted {
					t.Errorf("%s: logged %d, %q", by, a.Status, a.Version)
				}
				say(conn, "hello")
				if err := api.Revoke(key.Version); err != nil {
					t.Fatal(err)
				}
				say(conn, "still here") // the connection outlives its key
				conn.Close()
				refused := upgrade(by, key)
				refused.Body.Close()
				if refused.StatusCode != 401 {
					t.Errorf("%s: a revoked key: status %d", by, refused.StatusCode)
				}
				key = api.Issue(mockapi.Spec{})
			}
			resp := upgrade("Hijacker", key)
			if err := api.Close(); err != nil { // waits for the handler
				t.Error(err)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
				t.Error("a hijacked connection outlives Close")
			}
			resp.Body.Close()
		})
	}
}

// The logged status is the one that the handler writes to the hijacked connection; 0
// if it writes nothing, or no HTTP/1 response. F121
func TestStatusOfHijackedAnswers(t *testing.T) {
	for text, want := range map[string]int{
		"HTTP/1.1 101 Switching Protocols\r\n\r\n": 101, "HTTP/1.0 503 Busy\r\n\r\n": 503, "HTTP/1.1 2": 0, "": 0,
		"no status line at all": 0, "HTTP/1.1 abc\r\n": 0, "SSH-2.0a 200": 0,
	} {
		api := mockapi.New(t, mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, text)
			conn.Close()
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("written after Hijack: %v", err)
			}
		})))
		conn, err := api.Dial(t.Context(), "tcp", strings.TrimPrefix(api.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := request(t, http.MethodGet, api.URL(), api.Issue(mockapi.Spec{}), nil).Write(conn); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != text {
			t.Errorf("%q was sent, %v; want %q", got, err, text)
		}
		conn.Close()
		if err := api.Close(); err != nil {
			t.Error(err)
		}
		if got := api.Requests()[0].Status; got != want {
			t.Errorf("%q: logged as %d, want %d", text, got, want)
		}
	}
}

// With HTTP/2 the ResponseWriter is no http.Hijacker. F121
func TestNoHijackingInHTTP2(t *testing.T) {
	api := mockapi.New(t, mockapi.WithHTTP2(), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Hijacker); ok {
			t.Error("HTTP/2 has an http.Hijacker")
		}
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		// net/http's client does not allow server push.
		if err := w.(http.Pusher).Push("/style.css", nil); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Push: %v", err)
		}
	})))
	status(t, api, api.Issue(mockapi.Spec{}), 200)
	if got := api.Requests()[0].Status; got != 200 {
		t.Errorf("a handler that writes nothing: logged as %d", got)
	}
}

// http.ResponseController can set deadlines and full duplex. F121
func TestResponseControllerReachesTheConnection(t *testing.T) {
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if r.URL.Path == "/late" {
			if err := errors.Join(c.SetWriteDeadline(time.Now().Add(time.Hour)), c.SetReadDeadline(time.Now().Add(-time.Second))); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read after the deadline: %v", err)
			}
			return
		}
		if err := c.EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
			t.Error(err)
		}
		for lines := bufio.NewReader(r.Body); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, line)
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, api *mockapi.API, key source.Key) {
		body, in := io.Pipe()
		sent := make(chan error, 1)
		go func() { _, err := io.WriteString(in, "1\n"); sent <- err }()
		resp, err := api.Client().Do(request(t, http.MethodPost, api.URL(), key, body).WithContext(within(t)))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(resp.Body)
		for i := 1; i <= 3; i++ {
			if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("%d\n", i) {
				t.Fatalf("%q, %v", line, err)
			}
			if _, err := fmt.Fprintf(in, "%d\n", i+1); err != nil {
				t.Fatal(err)
			}
		}
		in.Close()
		if rest, err := io.ReadAll(lines); err != nil || string(rest) != "4\n" {
			t.Errorf("%q, %v", rest, err)
		}
		resp.Body.Close()
		if a := api.Requests()[0]; a.BodyBytes != 8 || !a.BodyComplete || a.Status != 200 {
			t.Errorf("logged: %d bytes, whole %v, status %d", a.BodyBytes, a.BodyComplete, a.Status)
		}

		body, in = io.Pipe()
		defer in.Close()
		resp, err = api.Client().Do(request(t, http.MethodPost, api.URL()+"/late", key, body).WithContext(within(t)))
		if err == nil {
			resp.Body.Close()
		}
	})
}

// Announced and unannounced trailers reach the client, from a handler and with a
// refusal, as gRPC uses them. F121
func TestTrailersOfAnswers(t *testing.T) {
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, "message")
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	}, func(t *testing.T, api *mockapi.API, key source.Key) {
		api.SetRefusal(mockapi.Refusal{Status: 200, Body: "no", Header: http.Header{
			http.TrailerPrefix + "Grpc-Status": {"16"}, http.TrailerPrefix + "Grpc-Message": {"bad key"},
		}})
		for want, key := range map[string]source.Key{"message 0 fine": key, "no 16 bad key": {}} {
			resp, err := api.Client().Do(request(t, http.MethodPost, api.URL(), key, strings.NewReader("x")))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			got := fmt.Sprintf("%s %s %s", body, resp.Trailer.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Message"))
			if err != nil || got != want || resp.Header.Get("Grpc-Status") != "" {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		}
	})
}

// Delay and Drip apply to a handler's responses too; Drip does not apply to HEAD. F121
func TestHandlersAnswerSlowly(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, append(opts, mockapi.WithMemory(), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, "slow")
				})))...)
				key := api.Issue(mockapi.Spec{})
				api.SetAnswer(mockapi.Answer{Delay: time.Second, Drip: time.Minute, Status: 500, Body: "not this"})
				for method, want := range map[string]time.Duration{"GET": time.Second + 4*time.Minute, "HEAD": time.Second} {
					start := time.Now()
					a := send(t, api.Client(), request(t, method, api.URL(), key, nil))
					if took := time.Since(start); took != want || a.Status != 200 || method == "GET" && a.Body != "slow" {
						t.Errorf("%s: %q after %v, status %d", method, a.Body, took, a.Status)
					}
				}
				// A client that disconnects ends the handler's Write.
				r := request(t, http.MethodGet, api.URL(), key, nil)
				resp, err := api.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			})
		})
	}
}
