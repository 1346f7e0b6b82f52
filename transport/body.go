package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// MaxSignedBody is the largest body that [Body] reads: 16 MiB.
const MaxSignedBody = 16 << 20

// ErrBody means that the scheme must read the body of a request to sign it, but cannot:
// the request has no GetBody, or the body is longer than [MaxSignedBody]. Nothing was
// sent.
var ErrBody = errors.New("transport: the body cannot be signed")

// Body returns the bytes of the request's body, for a signer. It does not read
// req.Body: it calls req.GetBody, which http.NewRequest sets for a bytes.Buffer,
// bytes.Reader or strings.Reader. If there is no GetBody, if GetBody or reading fails,
// or if the body is longer than [MaxSignedBody], the error wraps [ErrBody]. Body never
// buffers req.Body.
func Body(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	if req.GetBody == nil {
		return nil, fmt.Errorf("%w: the request has no GetBody: set it, or make the request by http.NewRequest with a bytes.Reader", ErrBody)
	}
	if req.ContentLength > MaxSignedBody {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrBody, MaxSignedBody)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("%w: GetBody: %w", ErrBody, err)
	}
	defer body.Close()
	if n := req.ContentLength; n > 0 {
		data := make([]byte, n)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, fmt.Errorf("%w: shorter than its ContentLength", ErrBody)
		}
		return data, nil
	}
	data, err := io.ReadAll(io.LimitReader(body, MaxSignedBody+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	if len(data) > MaxSignedBody {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrBody, MaxSignedBody)
	}
	return data, nil
}

// SetBody makes data the body of req, the transport's copy, and sets its ContentLength
// and GetBody. It is for schemes that add fields to the body.
func SetBody(req *http.Request, data []byte) {
	req.ContentLength = int64(len(data))
	req.TransferEncoding = nil
	if len(data) == 0 {
		req.Body, req.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	req.GetBody = func() (io.ReadCloser, error) { return &setBody{*bytes.NewReader(data)}, nil }
	req.Body, _ = req.GetBody()
}

// setBody is a body that SetBody made.
type setBody struct{ bytes.Reader }

func (*setBody) Close() error { return nil }

// replaced reports whether SetBody replaced the body before by the body after. It
// compares only bodies that SetBody made: other types may not be comparable.
func replaced(before, after io.ReadCloser) bool {
	if after == http.NoBody {
		return before != http.NoBody
	}
	own, ok := after.(*setBody)
	if !ok {
		return false
	}
	was, ok := before.(*setBody)
	return !ok || was != own
}
