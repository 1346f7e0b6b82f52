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

// Drain discards an answer that nobody needs, such as a refusal after which the request
// is sent again. It reads the rest of the body, so that the connection can be used
// again, closes the body and replaces it by http.NoBody. It reads at most 64 KiB and
// blocks at most 100 ms: a longer or slower body closes its connection.
func Drain(resp *http.Response) {
	defer func(body io.ReadCloser) {
		closeReader(body) // a Read that is under way need not end
		resp.Body = http.NoBody
	}(resp.Body)
	if resp.Body == nil || resp.Body == http.NoBody || resp.ContentLength == 0 {
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

// drainedBody reports the end of the body once the time is over. A Read that is under
// way is not interrupted.
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
