package transport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

var rewinds = flag.Int("rewinds", 200, "refused POSTs in TestRewoundBodyArrivesWhole, for each protocol")

// rewinding gives req a body whose GetBody rewinds one reader and returns it again, as
// azcore, connect-go and go-retryablehttp do.
func rewinding(req *http.Request, r io.ReadSeeker, size int) {
	req.Body, req.ContentLength = io.NopCloser(r), int64(size)
	req.GetBody = func() (io.ReadCloser, error) {
		_, err := r.Seek(0, io.SeekStart)
		return io.NopCloser(r), err
	}
}

// refuseEarly refuses requests with the key v2 before it has read their body, or after
// a part of it, and applies all others.
type refuseEarly struct {
	refused atomic.Int64
	applied sync.Map // the body's sum by Request-Id
	twice   atomic.Int64
}

func (s *refuseEarly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("Authorization"), "v2") {
		s.refused.Add(1)
		_, _ = io.CopyN(io.Discard, r.Body, rand.Int64N(2)*rand.Int64N(8<<10))
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	}
	h := sha256.New()
	if _, err := io.Copy(h, r.Body); err != nil {
		return
	}
	if _, again := s.applied.Swap(r.Header.Get("Request-Id"), hex.EncodeToString(h.Sum(nil))); again {
		s.twice.Add(1)
	}
}

// GetBody rewinds the one reader, which the refused attempt may still read. The body
// arrives whole in the next attempt, and the two never read at the same time.
//
// F115
func TestRewoundBodyArrivesWhole(t *testing.T) {
	for name, expect := range map[string]string{"plain": "", "expect": "100-continue"} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				s := &refuseEarly{}
				srv := p.serve(t, s)
				base := srv.base(t)
				var wg sync.WaitGroup
				n := *rewinds
				if expect != "" {
					n = min(n, 50)
				}
				for worker := range 8 {
					wg.Go(func() {
						for i := worker; i < n; i += 8 {
							body := bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x', '\n'}, 1+rand.IntN(16<<10))
							req := request(t, http.MethodPost, srv.URL, nil)
							rewinding(req, &plainReader{data: body}, len(body))
							if i%3 == 0 {
								req.ContentLength = -1
							}
							id := fmt.Sprint(i)
							req.Header.Set("Request-Id", id)
							if expect != "" {
								req.Header.Set("Expect", expect)
							}
							keys, err := ring.Keep(t.Context(), newStore("v2", "v1"), ring.WithLogger(nil)) // a new ring, which knows of no refusal
							if err != nil {
								t.Error(err)
								return
							}
							a, err := try(unbound(keys, transport.Bearer(), transport.WithBase(base)), req)
							_ = keys.Close()
							if err != nil || a.StatusCode != http.StatusOK {
								t.Errorf("request %d: %v, %v", i, a.Response, err)
								continue
							}
							if got, _ := s.applied.Load(id); got != sum(body) {
								t.Errorf("request %d: another body of %d bytes was applied", i, len(body))
							}
						}
					})
				}
				wg.Wait()
				if got := s.refused.Load(); got != int64(n) {
					t.Errorf("%d attempts refused, of %d requests", got, n)
				}
				if n := s.twice.Load(); n > 0 {
					t.Errorf("%d requests were applied twice", n)
				}
			})
		})
	}
}

// plainReader keeps its position in a plain field, so the race detector reports two
// attempts that read it at the same time.
type plainReader struct {
	data []byte
	next int
}

func (r *plainReader) Read(p []byte) (int, error) {
	if r.next >= len(r.data) {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 4<<10)], r.data[r.next:])
	r.next += n
	return n, nil
}

func (r *plainReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, errors.New("from the start only")
	}
	r.next = int(offset)
	return offset, nil
}

// A scheme signs the body by reading the same reader that is sent. The body is still
// sent from the start, and is the one that was signed.
//
// F115
func TestSignedBodyIsRewound(t *testing.T) {
	signs := map[string]transport.SignerFunc{
		"leaves it": func(req *http.Request) error {
			data, err := transport.Body(req)
			req.Header.Set("Signed", sum(data))
			return err
		},
		"sets it": func(req *http.Request) error {
			data, err := transport.Body(req)
			transport.SetBody(req, append([]byte("nonce=1&"), data...))
			req.Header.Set("Signed", sum(append([]byte("nonce=1&"), data...)))
			return err
		},
	}
	for name, sign := range signs {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				var attempts atomic.Int64
				srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					data, _ := io.ReadAll(r.Body)
					if r.Header.Get("Signed") != sum(data) {
						t.Errorf("%d bytes arrived, and were not what was signed", len(data))
					}
					if attempts.Add(1) == 1 {
						w.WriteHeader(http.StatusUnauthorized)
					}
				}))
				scheme := transport.SchemeFunc(func(source.Key) (transport.Signer, error) { return sign, nil })
				rt := unbound(quiet(t, newStore("v2", "v1")), scheme, transport.WithBase(srv.base(t)))
				req := request(t, http.MethodPost, srv.URL, nil)
				body := bytes.Repeat([]byte("order "), 100)
				rewinding(req, &plainReader{data: body}, len(body))
				send(t, rt, req).want(t, http.StatusOK, "v1", 2)
			})
		})
	}
}

// net/http calls GetBody again if a kept connection turns out to be closed.
//
// F115
func TestBaseRewindsTheBody(t *testing.T) {
	rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(req *http.Request) (*http.Response, error) {
		head := make([]byte, 10)
		_, _ = io.ReadFull(req.Body, head)
		before := req.Body
		again, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		_, _ = io.ReadFull(again, head[:1])
		if n, err := before.Read(head); n > 0 || err == nil {
			t.Errorf("what was sent before still reads %d bytes", n)
		}
		data, err := io.ReadAll(again)
		data = append(head[:1], data...)
		_ = again.Close()
		if len(data) != 1000 {
			t.Errorf("%d bytes the second time, %v", len(data), err)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	rewinding(req, &plainReader{data: make([]byte, 1000)}, 1000)
	send(t, rt, req).want(t, http.StatusOK, "v1", 1)
}

// After an error, and after Close of the answer, nothing of the transport reads the
// body. So a retry library or a redirect may rewind it.
//
// F115
func TestBodyIsLetGoOf(t *testing.T) {
	for name, fails := range map[string]bool{"error": true, "answer": false} {
		t.Run(name, func(t *testing.T) {
			var left io.ReadCloser
			rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(roundTripper(func(req *http.Request) (*http.Response, error) {
				left = req.Body
				if fails {
					return nil, errBase
				}
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
			})))
			req := request(t, http.MethodPost, "https://api.example.com", nil)
			rewinding(req, &plainReader{data: make([]byte, 1000)}, 1000)
			resp, err := rt.RoundTrip(req)
			if (err != nil) != fails {
				t.Fatal(err)
			}
			if !fails {
				if n, _ := left.Read(make([]byte, 10)); n != 10 {
					t.Errorf("%d bytes while the answer is read", n)
				}
				_ = resp.Body.Close()
			}
			if n, err := left.Read(make([]byte, 10)); n > 0 || err == nil {
				t.Errorf("%d bytes, %v, after the end", n, err)
			}
		})
	}
}

// A file that is rewound serves every attempt, and is closed at the end.
//
// F30, F115
func TestRewoundFile(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		s := &refuseEarly{}
		srv := p.serve(t, s)
		rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		path := filepath.Join(t.TempDir(), "upload")
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB, larger than any buffer
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		req := request(t, http.MethodPut, srv.URL, nil)
		req.Header.Set("Request-Id", "file")
		req.Body, req.ContentLength = f, int64(len(data))
		req.GetBody = func() (io.ReadCloser, error) {
			_, err := f.Seek(0, io.SeekStart)
			return f, err
		}
		send(t, rt, req).want(t, http.StatusOK, "v1", 2)
		if got, _ := s.applied.Load("file"); got != sum(data) {
			t.Error("another file was applied")
		}
		eventually(t, "the file to be closed", func() bool {
			_, err := f.Stat()
			return errors.Is(err, os.ErrClosed)
		})
	})
}

// stuckReader blocks in Read until the test releases it.
type stuckReader struct{ in, out chan struct{} }

func (r *stuckReader) Read([]byte) (int, error) {
	close(r.in)
	<-r.out
	return 0, io.EOF
}

// While a Read of the body does not end, GetBody is not called: the caller gets the
// whole refusal, and the attempt reads on.
//
// F31, F115
func TestStuckBodyIsNotRewound(t *testing.T) { synctest.Test(t, stuckBodyIsNotRewound) }

func stuckBodyIsNotRewound(t *testing.T) {
	stuck := &stuckReader{make(chan struct{}), make(chan struct{})}
	ended := make(chan error, 1)
	rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(roundTripper(func(req *http.Request) (*http.Response, error) {
		go func() {
			_, err := req.Body.Read(make([]byte, 10))
			ended <- err
		}()
		<-stuck.in
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(bytes.NewBufferString("refused"))}, nil
	})))
	req := request(t, http.MethodPost, "https://api.example.com", nil)
	req.Body, req.ContentLength = io.NopCloser(stuck), 10
	req.GetBody = func() (io.ReadCloser, error) {
		t.Error("GetBody while a Read is under way")
		return req.Body, nil
	}
	time.AfterFunc(2*time.Second, func() { close(stuck.out) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := send(t, rt, req.WithContext(ctx))
	a.want(t, http.StatusUnauthorized, "v2", 1)
	if a.body != "refused" {
		t.Errorf("body %q", a.body)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("the Read that was under way: %v", err)
	}
}

// While GetBody runs, the refused attempt does not read, even if its Read begins at
// that moment.
//
// F115
func TestNobodyReadsDuringGetBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &plainReader{data: make([]byte, 1000)}
		rewinding, refused := make(chan struct{}), 0
		ended := make(chan error, 1)
		rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			if refused++; refused == 1 {
				_, _ = r.Body.Read(make([]byte, 10))
				go func() {
					<-rewinding
					_, err := r.Body.Read(make([]byte, 10))
					ended <- err
				}()
				return status(http.StatusUnauthorized), nil
			}
			data, _ := io.ReadAll(r.Body)
			if len(data) != 1000 {
				t.Errorf("%d bytes the second time", len(data))
			}
			return status(http.StatusOK), nil
		})))
		req := request(t, http.MethodPost, "https://api.example.com", nil)
		req.Body, req.ContentLength = io.NopCloser(body), 1000
		req.GetBody = func() (io.ReadCloser, error) {
			body.next = 0
			close(rewinding)
			synctest.Wait() // the other has asked, and waits or has read
			return io.NopCloser(body), nil
		}
		send(t, rt, req).want(t, http.StatusOK, "v1", 2)
		if err := <-ended; err == nil {
			t.Error("the refused attempt read during GetBody")
		}
	})
}
