package transport_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// file is a body that can be rewound, and that cannot be read after Close, like an
// os.File.
type file struct {
	mu     sync.Mutex
	r      *bytes.Reader
	closed bool
}

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, errors.New("file already closed")
	}
	return f.r.Read(p)
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *file) rewind() (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("file already closed")
	}
	_, err := f.r.Seek(0, io.SeekStart)
	return f, err
}

// The caller gets a whole refusal, although the server is still reading the request.
//
// F115
func TestRefusalOfARewoundBodyIsWhole(t *testing.T) {
	func(p protocol) { // over HTTP/2 net/http itself stops sending
		returned := make(chan struct{})
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			_ = c.EnableFullDuplex()
			w.WriteHeader(http.StatusUnauthorized)
			_ = c.Flush()
			<-returned // the client still sends
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "why")
		}))
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		for name, f := range map[string]*file{"with the transport": {r: bytes.NewReader(text)}, "plain": {r: bytes.NewReader(text)}} {
			req := request(t, http.MethodPost, srv.URL, nil)
			req.Body, req.GetBody, req.ContentLength = f, f.rewind, int64(len(text))
			var rt http.RoundTripper = srv.base(t)
			if name != "plain" {
				rt = unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(rt))
			}
			resp, err := rt.RoundTrip(req)
			returned <- struct{}{}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(body) != "why" {
				t.Errorf("%s: refusal %q, %v", name, body, err)
			}
		}
	}(1)
}

// Each of the bodies of three attempts is closed once.
//
// F115
func TestEachBodyIsClosedOnce(t *testing.T) {
	for _, fails := range []string{"", "base", "sign", "cut"} {
		t.Run(fails, func(t *testing.T) {
			n := 0
			scheme := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
				return transport.SignerFunc(func(r *http.Request) error {
					if fails == "sign" && n == 2 {
						return errors.New("no")
					}
					r.Header.Set("X", k.Version)
					return nil
				}), nil
			})
			rt := unbound(quiet(t, newStore("v2", "v1")), resyncing(scheme),
				transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
					if n == 1 {
						return transport.ClockSkew
					}
					if a.Status == 401 {
						return transport.RefusedUnapplied
					}
					return transport.Passed
				}),
				transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
					n++
					if fails == "base" && n == 2 {
						r.Body.Close()
						return nil, errBase
					}
					_, _ = io.CopyN(io.Discard, r.Body, 2)
					if n < 3 {
						r.Body.Close()
						return status(401), nil
					}
					if fails != "cut" {
						r.Body.Close()
					}
					return status(200), nil
				})))
			var bodies []*countingBody
			req := request(t, http.MethodPost, "https://api.example.com", nil)
			req.GetBody = func() (io.ReadCloser, error) {
				for i, b := range bodies {
					if b.closed.Load() > 0 {
						t.Errorf("body %d was closed before the next was had", i)
					}
				}
				b := &countingBody{Reader: strings.NewReader("order")}
				bodies = append(bodies, b)
				return b, nil
			}
			req.Body, _ = req.GetBody()
			resp, err := rt.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			t.Logf("%d attempts, %v", n, err)
			for i, b := range bodies {
				if c := b.closed.Load(); c != 1 {
					t.Errorf("body %d closed %d times", i, c)
				}
			}
		})
	}
}

// A base may call GetBody at any time, without a race or a deadlock.
//
// F115
func TestGetBodyBesidesReturn(t *testing.T) {
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		go func() {
			if b, err := r.GetBody(); err == nil {
				_, _ = io.Copy(io.Discard, b)
				b.Close()
			}
		}()
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return status(200), nil
	})))
	var open atomic.Int64
	for range 500 {
		req := request(t, http.MethodPost, "https://api.example.com", nil)
		req.GetBody = func() (io.ReadCloser, error) {
			open.Add(1)
			return &onceClosed{Reader: strings.NewReader("order"), open: &open}, nil
		}
		req.Body, _ = req.GetBody()
		resp, err := rt.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
	}
	eventually(t, "all bodies to be closed", func() bool { return open.Load() == 0 })
}

type onceClosed struct {
	io.Reader
	open *atomic.Int64
	once sync.Once
}

func (b *onceClosed) Close() error { b.once.Do(func() { b.open.Add(-1) }); return nil }

// A scheme can read a body that is rewound and sign it.
//
// F115
func TestSignedFileStaysOpen(t *testing.T) {
	scheme := transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(r *http.Request) error {
			_, err := transport.Body(r)
			return err
		}), nil
	})
	var sent string
	rt := unbound(quiet(t, newStore("v1")), scheme, transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		sent = string(b)
		r.Body.Close()
		return status(200), err
	})))
	f := &file{r: bytes.NewReader([]byte("order"))}
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	req.Body, req.GetBody, req.ContentLength = f, f.rewind, 5
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if sent != "order" {
		t.Errorf("sent %q", sent)
	}
}

// With WithOverride a request without a key does not need its body, unless the scheme
// has a form field.
//
// F115
func TestOverridePassNeedsNoBody(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), noKeyNeeded(), transport.WithOverride(), transport.WithOrigin("https://api.example.com"),
		transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) { r.Body.Close(); return status(200), nil })))
	b := &countingBody{Reader: strings.NewReader("order")}
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	req.Body, req.GetBody = b, func() (io.ReadCloser, error) { return nil, errors.New("once only") }
	req.Header.Set("Authorization", "Bearer "+dummy)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Errorf("%v", err)
	} else {
		resp.Body.Close()
	}
	if b.closed.Load() == 0 {
		t.Error("the body was left open")
	}
}

// If a base sends again many times, the bodies are not all open at once.
//
// F115
func TestBodiesOfRetriesBelowAreClosed(t *testing.T) {
	var open, most atomic.Int64
	rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		body := r.Body
		for range 100 {
			_, _ = io.Copy(io.Discard, body)
			body.Close()
			body, _ = r.GetBody()
		}
		body.Close()
		return status(200), nil
	})))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	req.GetBody = func() (io.ReadCloser, error) {
		most.Store(max(most.Load(), open.Add(1)))
		return &onceClosed{Reader: strings.NewReader("order"), open: &open}, nil
	}
	req.Body, _ = req.GetBody()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if open.Load() != 0 || most.Load() > 12 {
		t.Errorf("%d bodies are open, %d were at once", open.Load(), most.Load())
	}
}
