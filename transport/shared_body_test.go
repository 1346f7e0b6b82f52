package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// After Sign the request has its own GetBody again, for the library that sends it.
//
// F115
func TestSignedRequestCanBeHadAgain(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), transport.Bearer(), transport.WithOrigin("https://api.example.com"))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	rewinding(req, &plainReader{data: []byte("order")}, 5)
	signed, err := rt.Sign(req)
	if err != nil {
		t.Fatal(err)
	}
	defer signed.Done(nil, errBase)
	got := make(chan string, 1)
	go func() {
		body, err := req.GetBody()
		if err != nil {
			got <- err.Error()
			return
		}
		data, _ := io.ReadAll(body)
		got <- string(data)
	}()
	select {
	case s := <-got:
		if s != "order" {
			t.Errorf("body %q", s)
		}
	case <-time.After(3 * time.Second):
		t.Error("GetBody hangs for ever")
	}
}

// In a hook a scheme can read a body that is rewound and sign it.
//
// F115
func TestSignReadsARewoundBody(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(req *http.Request) error {
			_, err := transport.Body(req)
			return err
		}), nil
	}), transport.WithOrigin("https://api.example.com"))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	rewinding(req, &plainReader{data: []byte("order")}, 5)
	signed, err := rt.Sign(req)
	if err != nil {
		t.Fatal(err)
	}
	signed.Done(nil, errBase)
}

// If Done says that a request may be sent again, it can be.
//
// F115
func TestSignAnew(t *testing.T) {
	for name, opts := range map[string][]transport.Option{"default": nil, "pass-through": {transport.WithPassThrough()}} {
		t.Run(name, func(t *testing.T) {
			rt := transport.New(quiet(t, newStore("v2", "v1")), transport.Bearer(), append(opts, transport.WithOrigin("https://api.example.com"))...)
			req := get(t, "https://api.example.com")
			s, err := rt.Sign(req)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Done(status(http.StatusUnauthorized), nil) {
				t.Fatal("not again")
			}
			if err := s.Again(req); err != nil {
				t.Fatal(err)
			}
			defer s.Done(nil, errBase)
			if s.Version() != "v1" {
				t.Errorf("version %q, want v1", s.Version())
			}
		})
	}
}

// ReplayQueries, or another policy that reads the body, leaves a body that is rewound
// whole.
//
// F115
func TestPolicyReadsARewoundBody(t *testing.T) {
	p := provider.GraphQL(transport.Bearer(), "https://api.example.com")
	const query = `{"query":"{a}"}`
	for name, versions := range map[string][]string{"accepted at once": {"v1"}} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			rt := p.Transport(quiet(t, newStore(versions...)), transport.WithReplay(provider.ReplayQueries),
				transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
					data, _ := io.ReadAll(r.Body)
					r.Body.Close()
					sent = append(sent, string(data))
					return status(http.StatusOK), nil
				})))
			req := request(t, http.MethodPost, "https://api.example.com/graphql", nil)
			rewinding(req, &plainReader{data: []byte(query)}, len(query))
			send(t, rt, req)
			if len(sent) != 1 || sent[0] != query {
				t.Errorf("sent %q", sent)
			}
		})
	}
}

// WithOverride closes the body if the request is sent without a key.
//
// F115
func TestOverridePassClosesBody(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), noKeyNeeded(), transport.WithOverride(), transport.WithOrigin("https://api.example.com"),
		transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			return status(http.StatusOK), nil
		})))
	req := request(t, http.MethodPost, "https://api.example.com/", nil)
	first := &countingBody{Reader: strings.NewReader("order")}
	req.Body, req.ContentLength = first, 5
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("order")), nil }
	req.Header.Set("Authorization", "Bearer "+dummy)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if first.closed.Load() == 0 {
		t.Error("the request's body was left open")
	}
}

func noKeyNeeded() transport.Scheme {
	return with(transport.Bearer(), func(traits *transport.Traits) { traits.NeedsKey = func(*http.Request) bool { return false } })
}

// A base may read the reader of GetBody, to log or sign it, and then send Body. If the
// caller's GetBody returns a new reader each time, that works.
//
// F115
func TestBaseReadsGetBody(t *testing.T) {
	var sent string
	logs := roundTripper(func(r *http.Request) (*http.Response, error) {
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, again)
		again.Close()
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		sent = string(data)
		return status(http.StatusOK), nil
	})
	req := request(t, http.MethodPost, "https://api.example.com/", nil)
	text := []byte("order")
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = 5
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(logs))
	if resp, err := rt.RoundTrip(req); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	if sent != "order" {
		t.Errorf("sent %q", sent)
	}
}

// A transport whose scheme has a form field works below another transport.
//
// F115
func TestStackedForm(t *testing.T) {
	var sent string
	lower := provider.Slack().Transport(quiet(t, newStore("v1")), transport.WithPassThrough(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		sent = string(data)
		return status(http.StatusOK), nil
	})))
	upper := unbound(quiet(t, newStore("v1")), transport.Header("X-Gateway"), transport.WithBase(lower))
	const form = "channel=C1&text=hello&token=sentinel-own"
	for name, body := range map[string]func(*http.Request){
		"fresh each time": func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(form)), nil }
			r.Body, _ = r.GetBody()
			r.ContentLength = int64(len(form))
		},
		"rewinding": func(r *http.Request) { rewinding(r, &plainReader{data: []byte(form)}, len(form)) },
	} {
		t.Run(name, func(t *testing.T) {
			sent = ""
			req := request(t, http.MethodPost, "https://slack.com/api/chat.postMessage", nil)
			body(req)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := upper.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if sent != form {
				t.Errorf("sent %q", sent)
			}
		})
	}
}

// A cancelled request returns at once, although a Read of its body blocks: closing the
// body ends the Read.
//
// F41, F115
func TestCancelledWhileBodyBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			go func() { _, _ = r.Body.Read(make([]byte, 1)) }()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})))
		body, w := io.Pipe()
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := request(t, http.MethodPost, "https://api.example.com", body).WithContext(ctx)
		req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("none") }
		began := time.Now()
		if _, err := rt.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("over after %v", took)
		}
	})
}

// Two readers of one type need not be comparable.
//
// F115
func TestUncomparableBody(t *testing.T) {
	rt := provider.Slack().Transport(quiet(t, newStore("v1")), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Body.Close()
		return status(http.StatusOK), nil
	})))
	req := request(t, http.MethodPost, "https://slack.com/api/chat.postMessage", nil)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(parts{strings.NewReader("a=b")}), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = 3
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("RoundTrip panicked: %v", p)
		}
	}()
	if resp, err := rt.RoundTrip(req); err == nil {
		resp.Body.Close()
	}
}

type parts []io.Reader

func (p parts) Read(b []byte) (int, error) { return p[0].Read(b) }

// A base may call GetBody after it has returned; it closes what it gets.
//
// F115
func TestGetBodyAfterReturn(t *testing.T) {
	var again func() (io.ReadCloser, error)
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		again = r.GetBody
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return status(http.StatusOK), nil
	})))
	req := request(t, http.MethodPost, "https://api.example.com/", nil)
	bodies := []*countingBody{}
	req.GetBody = func() (io.ReadCloser, error) {
		b := &countingBody{Reader: strings.NewReader("order")}
		bodies = append(bodies, b)
		return b, nil
	}
	req.Body, _ = req.GetBody()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	b, err := again()
	if err != nil {
		t.Skip(err)
	}
	b.Close()
	for i, b := range bodies {
		if n := b.closed.Load(); n != 1 {
			t.Errorf("body %d closed %d times", i, n)
		}
	}
}

// While the refused attempt reads a body that is rewound, no other code reads it, not
// even a policy. Run with -race.
//
// F115
func TestPolicyReadsBesideTheAttempt(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<19)
	var late sync.WaitGroup
	n := 0
	rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(),
		transport.WithReplay(func(req *http.Request, _ *http.Response, _ transport.Verdict) bool {
			_, err := transport.Body(req) // as provider.ReplayQueries does
			return err == nil
		}),
		transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				b := make([]byte, 512)
				_, _ = r.Body.Read(b)
				late.Go(func() {
					for err := error(nil); err == nil; {
						_, err = r.Body.Read(b)
					}
				})
				return status(401), nil
			}
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			return status(200), nil
		})))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	rewinding(req, &plainReader{data: text}, len(text))
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	late.Wait()
}
