package transport

import (
	"errors"
	"io"
	"net/http"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// opened counts resp, the answer to the attempt, as in flight until its body has ended: a
// server may end it when it revokes the key (F171). A response without a body is not
// changed. The body of a 101 counts only if it is the connection: some libraries keep the
// connection elsewhere.
func opened(resp *http.Response, a *ring.Attempt) {
	switch conn, writes := resp.Body.(io.ReadWriteCloser); {
	case resp.Body == nil || resp.Body == http.NoBody:
	case resp.StatusCode == http.StatusNoContent, resp.StatusCode == http.StatusNotModified,
		resp.Request != nil && resp.Request.Method == http.MethodHead: // over HTTP/2 the body is not NoBody
	case resp.StatusCode != http.StatusSwitchingProtocols:
		resp.Body = &openBody{resp.Body, a.Stream()}
	case writes:
		resp.Body = &openConn{conn, a.Stream()}
	}
}

// openBody is a body that has not ended yet.
type openBody struct {
	io.ReadCloser
	stream *ring.Stream
}

func (b *openBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.stream.End()
	}
	return n, err
}

func (b *openBody) Close() error {
	defer b.stream.End()
	return b.ReadCloser.Close()
}

// openConn is a connection after an upgrade. Only Close ends it: after the end of what the
// server sends, the client may still write.
type openConn struct {
	io.ReadWriteCloser
	stream *ring.Stream
}

func (c *openConn) Close() error {
	defer c.stream.End()
	return c.ReadWriteCloser.Close()
}

// CloseWrite is for httputil.ReverseProxy.
func (c *openConn) CloseWrite() error {
	if w, ok := c.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
