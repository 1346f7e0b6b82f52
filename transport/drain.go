package transport

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	drainBytes = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// Drain is for an answer that nobody wants, such as one after which the request is sent
// again. It reads what is left of the body, so that the connection can be used again,
// closes it, and leaves http.NoBody. It reads 64 KiB at most, for 100 ms at most: a longer
// or slower body costs its connection instead (F32).
func Drain(resp *http.Response) {
	defer func(body io.Closer) {
		_ = body.Close() // which need not end a Read
		resp.Body = http.NoBody
	}(resp.Body)
	if resp.Body == http.NoBody || resp.ContentLength == 0 {
		return
	}
	body, ended := &drainedBody{Reader: resp.Body}, make(chan struct{})
	go func() {
		_, _ = io.CopyN(io.Discard, body, drainBytes)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(drainTime):
		body.over.Store(true)
	}
}

// drainedBody ends with the Read that it is in when the time is over.
type drainedBody struct {
	io.Reader
	over atomic.Bool
}

func (d *drainedBody) Read(p []byte) (int, error) {
	if d.over.Load() {
		return 0, io.EOF
	}
	return readGuarded(d.Reader, p)
}
