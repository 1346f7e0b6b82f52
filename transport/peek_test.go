package transport_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// looking is a classifier that reads the body of every answer and records it.
func looking(saw *[]byte) transport.Classifier {
	return func(a *transport.Answer) transport.Verdict {
		*saw = bytes.Clone(a.Body())
		if again := a.Body(); !bytes.Equal(again, *saw) {
			return transport.Refused
		}
		return transport.Passed
	}
}

// The caller gets the whole body of an answer that the classifier has read.
//
// F65
func TestPeekedBodyIsWhole(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		var data []byte
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.URL.Path[1:])
			w.WriteHeader(status)
			_, _ = w.Write(data)
		}))
		var saw []byte
		rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(looking(&saw)))
		for _, size := range []int{0, 1, 511, transport.MaxPeek - 1, transport.MaxPeek, transport.MaxPeek + 1, 1 << 20} {
			data = make([]byte, size)
			for i := range data {
				data[i] = byte(i * 31)
			}
			for _, status := range []string{"200", "401"} {
				a := send(t, rt, get(t, srv.URL+"/"+status))
				if a.body != string(data) {
					t.Errorf("%s, %d bytes: %d came back, or others", status, size, len(a.body))
				}
				if !bytes.Equal(saw, data[:min(size, transport.MaxPeek)]) {
					t.Errorf("%s, %d bytes: the classifier saw %d", status, size, len(saw))
				}
			}
		}
		if n := srv.conns.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// A caller that asks for gzip gets gzip. The classifier gets the text, at most MaxPeek
// bytes of it.
//
// F65, F79
func TestPeekUndoesGzip(t *testing.T) {
	for name, text := range map[string]string{"text": `{"error":"invalid key"}`, "bomb": strings.Repeat("0", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
			protocols(t, func(t *testing.T, p protocol) {
				srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					_, _ = w.Write(packed.Bytes())
				}))
				var saw []byte
				rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithClassifier(looking(&saw)))
				req := get(t, srv.URL)
				req.Header.Set("Accept-Encoding", "gzip")
				a := send(t, rt, req)
				if a.body != packed.String() {
					t.Error("the body is not what was sent")
				}
				if want := text[:min(len(text), transport.MaxPeek)]; string(saw) != want {
					t.Errorf("the classifier saw %d bytes, want %d", len(saw), len(want))
				}
			})
		})
	}
}

// A slow body delays a classifier by at most 2 s. The classifier sees what arrived by
// then. The caller gets that at once, and the rest as it arrives.
//
// F65
func TestPeekGivesUpOnADrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: r}, nil
		})
		var saw []byte
		rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(base), transport.WithClassifier(looking(&saw)))
		go func() {
			for _, s := range []string{"one ", "two ", "three"} {
				_, _ = io.WriteString(w, s)
				time.Sleep(3 * time.Second)
			}
			w.CloseWithError(errBase)
		}()
		start := time.Now()
		resp, err := rt.RoundTrip(get(t, "https://api.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 2*time.Second { // exact, by the synctest clock
			t.Errorf("RoundTrip took %v", d)
		}
		if string(saw) != "one " {
			t.Errorf("the classifier saw %q", saw)
		}
		for i, want := range []string{"one ", "two ", "three"} {
			data := make([]byte, 100)
			n, err := resp.Body.Read(data)
			if at := max(2*time.Second, time.Duration(i)*3*time.Second); string(data[:n]) != want || err != nil || time.Since(start) != at {
				t.Errorf("read %q after %v, error %v; want %q after %v", data[:n], time.Since(start), err, want, at)
			}
		}
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errBase) {
			t.Errorf("read %d bytes more, error %v", n, err)
		}
		resp.Body.Close()
	})
}

// The caller gets a stream line by line, although the classifier has read its
// beginning.
//
// F65, F73
func TestPeekedStreamIsDelivered(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines := make(chan string, 1)
				lines <- "data: one\n"
				api := mockapi.New(t, append(opts, mockapi.WithMemory(), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for line := range lines {
						_, _ = io.WriteString(w, line)
						_ = http.NewResponseController(w).Flush()
					}
				})))...)
				var saw []byte
				ring := keep(t, source.Static(api.Issue(mockapi.Spec{})))
				rt := unbound(ring, transport.Bearer(), transport.WithBase(api.Client().Transport), transport.WithClassifier(looking(&saw)))
				resp, err := rt.RoundTrip(get(t, api.URL()+"/"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body := bufio.NewReader(resp.Body)
				for _, want := range []string{"data: one\n", "data: two\n", "data: three\n"} {
					if want != "data: one\n" {
						lines <- want
					}
					if line, err := body.ReadString('\n'); line != want || err != nil {
						t.Fatalf("read %q, error %v; want %q", line, err, want)
					}
				}
				close(lines)
				if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
					t.Errorf("%q at the end, error %v", rest, err)
				}
				if string(saw) != "data: one\n" {
					t.Errorf("the classifier saw %q", saw)
				}
			})
		})
	}
}

// Closing the body ends a Read of it, and discards what was read ahead.
//
// F65, F104
func TestPeekedBodyIsClosedWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: &deafBody{r}}, nil
		})
		var saw []byte
		rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(base), transport.WithClassifier(looking(&saw)))
		go func() { _, _ = io.WriteString(w, "one") }()
		resp, err := rt.RoundTrip(get(t, "https://api.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"o", "n"} {
			if n, err := resp.Body.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("read %d bytes of %q, error %v", n, want, err)
			}
		}
		ended := false
		go func() {
			_, err = io.ReadAll(resp.Body)
			ended = true
		}()
		synctest.Wait() // it has the last letter, and waits for more
		resp.Body.Close()
		synctest.Wait()
		if !ended || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("Read ended: %v, error %v", ended, err)
		}
	})
}

// deafBody is a body whose Close does not end a Read.
type deafBody struct{ io.Reader }

func (*deafBody) Close() error { return nil }

// After Close of an answer that the classifier has read and that never ends, no
// goroutine is left. A synctest bubble ends only when all its goroutines have ended.
//
// F104
func TestPeekedDripIsClosed(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, append(opts, mockapi.WithMemory(),
					mockapi.WithRefusal(mockapi.Refusal{Body: "no", Endless: true, Drip: time.Hour}))...)
				api.Issue(mockapi.Spec{})
				var saw []byte
				rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(api.Client().Transport),
					transport.WithClassifier(looking(&saw)))
				start := time.Now()
				resp, err := rt.RoundTrip(get(t, api.URL()+"/"))
				if err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d != 2*time.Second {
					t.Errorf("RoundTrip took %v", d)
				}
				resp.Body.Close()
			})
		})
	}
}

// The caller gets the error at the end of a body, after the bytes before it.
//
// F65
func TestPeekKeepsTheErrorAtTheEnd(t *testing.T) {
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("half of i"), &once{io.ErrUnexpectedEOF})
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	})
	var saw []byte
	rt := unbound(keep(t, newStore("v1")), transport.Bearer(), transport.WithBase(base), transport.WithClassifier(looking(&saw)))
	resp, err := rt.RoundTrip(get(t, "https://api.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if string(data) != "half of i" || err != io.ErrUnexpectedEOF || string(saw) != "half of i" {
		t.Errorf("read %q, error %v; the classifier saw %q", data, err, saw)
	}
	resp.Body.Close()
}

// once is a reader that returns an error once, and then io.EOF.
type once struct{ err error }

func (o *once) Read([]byte) (n int, err error) {
	err, o.err = o.err, io.EOF
	return 0, err
}

// For any answer RFC6750 returns a verdict without a panic, and the caller gets the
// whole body.
//
// F65, F97, F112
func FuzzRFC6750(f *testing.F) {
	f.Add(401, `Bearer realm="x", error="invalid_token"`, []byte("refused"), false)
	f.Add(403, `Basic realm="x", Bearer error="insufficient_scope"`, []byte{}, true)
	f.Add(400, `Bearer error=`, bytes.Repeat([]byte("0"), transport.MaxPeek+1), false)
	f.Add(401, `Bearer ,=,"`, []byte("\x1f\x8b\x08 no gzip"), true)
	f.Add(200, ``, []byte("ok"), false)
	var status int
	var challenge string
	var body []byte
	var packed bool
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Www-Authenticate": {challenge}}
		if packed {
			h.Set("Content-Encoding", "gzip")
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(iotest.HalfReader(bytes.NewReader(body))), ContentLength: int64(len(body))}, nil
	})
	ring := keep(f, newStore("v1"))
	rt := unbound(ring, transport.Bearer(), transport.WithBase(base), transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
		_ = a.Body()
		transport.RFC6750(a)
		return transport.Passed
	}))
	req, _ := http.NewRequest(http.MethodGet, "https://api.example.com", nil)
	f.Fuzz(func(t *testing.T, s int, c string, b []byte, gz bool) {
		status, challenge, body, packed = s, c, b, gz
		switch v := transport.RFC6750(transport.NewAnswer(s, http.Header{"Www-Authenticate": {c}}, b)); {
		case v != transport.Passed && v != transport.Refused:
			t.Errorf("verdict %d", v)
		case v == transport.Refused && s != 401 && s != 403 && s != 400:
			t.Errorf("a refusal by status %d", s)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes became %d, error %v", len(b), len(got), err)
		}
	})
}
