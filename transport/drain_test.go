package transport_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// zeros is an endless stream that calls then from time to time.
type zeros struct {
	left, every int
	then        func()
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left, z.left-(z.left-1)/z.every*z.every)
	clear(p[:n])
	if z.left -= n; z.left%z.every == 0 {
		z.then()
	}
	return n, nil
}

func clockOn401(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusUnauthorized {
		return transport.ClockSkew
	}
	return transport.Passed
}

// At most 64 KiB of an endless refusal are read, even if it arrives fast.
//
// F32
func TestEndlessRefusalIsReadToALimit(t *testing.T) {
	body := &zeros{left: 1 << 30, every: 1 << 30, then: func() {}}
	refusal := &countingBody{Reader: body}
	n := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: refusal, ContentLength: -1}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
	send(t, rt, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 2)
	if read := 1<<30 - body.left; read > 64<<10 || refusal.closed.Load() != 1 {
		t.Errorf("%d bytes were read, and the refusal closed %d times", read, refusal.closed.Load())
	}
}

// If Close does not end a Read of a refusal, the second attempt waits no longer than
// usual, and no more is read. A synctest bubble ends only when all its goroutines have
// ended.
//
// F32
func TestDrainIsNotHeldByARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, server := io.Pipe()
		defer time.AfterFunc(time.Hour, func() { server.Close() }).Stop()
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := takes("v1")(req)
			if resp.StatusCode == http.StatusUnauthorized {
				resp.Body, resp.ContentLength = io.NopCloser(stream), -1
			}
			return resp, err
		})
		rt := unbound(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(base))
		start := time.Now()
		send(t, rt, get(t, "https://api.example.com")).want(t, http.StatusOK, "v1", 2)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		_, _ = server.Write([]byte("late")) // ends the Read
	})
}

// A response made by hand may have no body.
//
// F109
func TestDrainWithoutABody(t *testing.T) {
	for _, length := range []int64{-1, 0, 1} {
		resp := &http.Response{ContentLength: length}
		if transport.Drain(resp); resp.Body != http.NoBody {
			t.Errorf("length %d: body %v", length, resp.Body)
		}
	}
}
