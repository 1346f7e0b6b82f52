package transport

import (
	"io"
	"net/http"
)

// sendOnce prevents net/http from sending the request again after it has written it and
// lost the connection. net/http does so if the body can be read again and the method is
// safe or the request has an Idempotency-Key (net/http.Transport, "network error"). A
// body without GetBody prevents it, even an empty one. Only a request that net/http
// would repeat gets the empty body: a POST would get a transfer encoding with it.
func sendOnce(out *http.Request) {
	_, key := out.Header["Idempotency-Key"] // also if it is empty, as net/http does
	_, xKey := out.Header["X-Idempotency-Key"]
	if (out.Body == nil || out.Body == http.NoBody) && (safe(out) || key || xKey) {
		out.Body = empty{}
	}
	out.GetBody = nil
}

// empty is an empty body that is not http.NoBody.
type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
func (empty) Close() error             { return nil }
