package transport

import (
	"io"
	"net/http"
)

// sendOnce keeps net/http from sending out again when its connection is lost
// with the request already written, which it does where the method is safe, or the
// request has a key for it, and the body can be had again (net/http.Transport,
// "network error"). A body that cannot be had again stops it, even an empty one;
// other requests go without, since a POST would get a transfer encoding for it.
func sendOnce(out *http.Request) {
	_, key := out.Header["Idempotency-Key"] // be it empty
	_, xKey := out.Header["X-Idempotency-Key"]
	if (out.Body == nil || out.Body == http.NoBody) && (safe(out) || key || xKey) {
		out.Body = empty{}
	}
	out.GetBody = nil
}

// empty is a body without bytes that is not http.NoBody.
type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
func (empty) Close() error             { return nil }
