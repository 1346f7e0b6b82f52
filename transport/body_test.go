package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// GetBody fails after the refusal: the caller gets the refusal, unread, and
// nothing is sent again.
//
// F31
func TestGetBodyFailsAfterRefusal(t *testing.T) {
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"error": func() (io.ReadCloser, error) { return nil, errBase },
		"nil":   func() (io.ReadCloser, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
				body := &countingBody{Reader: strings.NewReader("order")}
				req := request(t, http.MethodPost, srv.URL, body)
				req.ContentLength, req.GetBody = 5, getBody
				a := send(t, rt, req)
				a.want(t, http.StatusUnauthorized, "v2", 1)
				if a.body != "refused" {
					t.Errorf("body %q", a.body)
				}
				eventually(t, "the body to be closed", func() bool { return body.closed.Load() > 0 })
				g.wantVersions(t, "v2")
			})
		})
	}
}

// A body without GetBody is sent once; its refusal goes back whole, and the
// next request begins with the right key all the same.
//
// F34
func TestPipeBodyIsSentOnce(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.refuse = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, "refused, whole", http.StatusUnauthorized)
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		move(t, keys, s, "v2", "v1")
		r, w := io.Pipe()
		var writer sync.WaitGroup
		writer.Go(func() {
			_, err := io.WriteString(w, "order")
			w.CloseWithError(err)
		})
		a := send(t, rt, request(t, http.MethodPost, srv.URL, r))
		writer.Wait()
		a.want(t, http.StatusUnauthorized, "v2", 1)
		if a.body != "refused, whole\n" {
			t.Errorf("body %q", a.body)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v2", "v1")
	})
}

// slowBody is read in small pieces, and remembers in plain fields how far: two
// attempts that share it race.
type slowBody struct {
	data []byte
	next int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.next == len(b.data) {
		return 0, io.EOF
	}
	runtime.Gosched()
	n := copy(p[:min(len(p), 512)], b.data[b.next:])
	b.next += n
	return n, nil
}

func (b *slowBody) Close() error { return nil }

// The refusal comes while the first attempt's body is still being read: the
// second has a reader of its own, and its body arrives byte for byte.
//
// F35
func TestEarlyRefusalOfALargeBody(t *testing.T) {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(w, sum(got), err)
		}
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		req := request(t, http.MethodPost, srv.URL, &slowBody{data: data})
		req.ContentLength = int64(len(data))
		req.GetBody = func() (io.ReadCloser, error) { return &slowBody{data: data}, nil }
		a := send(t, rt, req)
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != sum(data)+"<nil>" {
			t.Error("the body that arrived is another")
		}
	})
}

// All but the key is the same in both attempts, whatever the body's kind.
//
// F36
func TestAttemptsDifferInTheKeyOnly(t *testing.T) {
	for name, c := range map[string]struct {
		body     func() io.ReadCloser
		length   int64
		encoding []string
	}{
		"none":           {nil, 0, nil},
		"NoBody":         {func() io.ReadCloser { return http.NoBody }, 0, nil},
		"known length":   {func() io.ReadCloser { return io.NopCloser(strings.NewReader("order")) }, 5, nil},
		"unknown length": {func() io.ReadCloser { return io.NopCloser(strings.NewReader("order")) }, -1, nil},
		"chunked":        {func() io.ReadCloser { return io.NopCloser(strings.NewReader("order")) }, 5, []string{"chunked"}},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				g := newGate("v1")
				srv := p.serve(t, g)
				rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
				req := request(t, http.MethodPost, srv.URL+"/a%2Fb?c=d&c=e", nil)
				if c.body != nil {
					req.Body, req.ContentLength = c.body(), c.length
					req.GetBody = func() (io.ReadCloser, error) { return c.body(), nil }
				}
				req.TransferEncoding = c.encoding
				req.Header["X-Two"] = []string{"1", "2"}
				req.Header.Set("User-Agent", "")
				a := send(t, rt, req)
				a.want(t, http.StatusOK, "v1", 2)
				log := g.records()
				if len(log) != 2 {
					t.Fatalf("%d attempts", len(log))
				}
				first, second := log[0], log[1]
				first.header.Del("Authorization")
				second.header.Del("Authorization")
				first.version, first.accepted = second.version, second.accepted
				if fmt.Sprint(first) != fmt.Sprint(second) {
					t.Errorf("the attempts differ:\n%+v\n%+v", first, second)
				}
				length := c.length
				if p == 1 && c.encoding != nil {
					length = -1 // HTTP/2 has no such encoding
				}
				if c.body != nil && first.length != length {
					t.Errorf("length %d, want %d", first.length, length)
				}
			})
		})
	}
}

// Trailers that the caller sets when the body ends arrive.
//
// F37
func TestTrailersSetAtTheEnd(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
		}
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		req := request(t, http.MethodPost, srv.URL, nil)
		req.Trailer = http.Header{"X-Sum": nil}
		req.ContentLength = -1
		bodies := 0
		req.GetBody = func() (io.ReadCloser, error) {
			bodies++
			value := fmt.Sprint("of body ", bodies)
			return io.NopCloser(io.MultiReader(strings.NewReader("order"), atEnd(func() { req.Trailer.Set("X-Sum", value) }))), nil
		}
		req.Body, _ = req.GetBody()
		// The refusal reads the body, so that the first attempt is done with the
		// trailers when the second begins.
		g.refuse = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
		}
		a := send(t, rt, req)
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "of body 2" {
			t.Errorf("trailer %q", a.body)
		}
	})
}

// atEnd is an empty reader that calls a function first.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// Where there is no other key, the body is not asked for again, and the one is closed.
//
// F30
func TestUnwantedBodyIsNotAskedFor(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate())
		rt := transport.New(keep(t, newStore("v1"), ring.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(srv.base(t)))
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, srv.URL, body)
		req.ContentLength = 5
		req.GetBody = func() (io.ReadCloser, error) {
			t.Error("the body is asked for")
			return nil, errBase
		}
		send(t, rt, req).want(t, http.StatusUnauthorized, "v1", 1)
		eventually(t, "the body to be closed", func() bool { return body.closed.Load() == 1 })
	})
}

// Body gives a signer the bytes, and SetBody replaces them; req.Body is left alone.
//
// F33
func TestBodyForSigners(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.Reader
		length int64 // of the request, -2: as it is
		want   string
		err    error
	}{
		"none":           {nil, -2, "", nil},
		"known":          {strings.NewReader("order"), -2, "order", nil},
		"unknown length": {strings.NewReader("order"), -1, "order", nil},
		"too short":      {strings.NewReader("order"), 6, "", transport.ErrBody},
		"said too long":  {strings.NewReader("order"), transport.MaxSignedBody + 1, "", transport.ErrBody},
		"too long":       {bytes.NewReader(make([]byte, transport.MaxSignedBody+1)), -1, "", transport.ErrBody},
		"stream":         {struct{ io.Reader }{strings.NewReader("order")}, -2, "", transport.ErrBody},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, http.MethodPost, "https://api.example.com", c.body)
			if c.length != -2 {
				req.ContentLength = c.length
			}
			data, err := transport.Body(req)
			if string(data) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, error %v; want %q, %v", data, err, c.want, c.err)
			}
		})
	}
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error {
				data, err := transport.Body(req)
				transport.SetBody(req, append(data, "&signed with "+k.Version...))
				req.Header.Set("Authorization", "Bearer "+k.Secret.Expose())
				return err
			}), nil
		})
		rt := transport.New(keep(t, newStore("v2", "v1")), signs, transport.WithBase(srv.base(t)))
		a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order=1")))
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "order=1&signed with v1" {
			t.Errorf("body %q", a.body)
		}
	})
}
