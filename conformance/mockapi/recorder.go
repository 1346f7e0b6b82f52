package mockapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"sync"
)

// maxAuthBody is the maximum length of a body for an Authenticator: 16 MiB.
const maxAuthBody = 16 << 20

// recorder is a request body that logs what is read of it.
type recorder struct {
	api     *API
	r       *http.Request // net/http's own request, which gets the trailer
	body    io.ReadCloser
	attempt *Attempt      // nil until the request is logged
	ahead   []byte        // read for the Authenticator, but not yet by the handler
	keep    *bytes.Buffer // if not nil, gets the first maxOrderBody bytes

	// mu guards the fields below: a handler may return while a goroutine of its
	// own still reads the body, for example in a bidirectional stream.
	mu   sync.Mutex
	sum  hash.Hash
	n    int64
	done bool // read to the end
}

func newRecorder(a *API, r *http.Request) *recorder {
	return &recorder{api: a, r: r, body: r.Body, sum: sha256.New()}
}

// whole returns the whole body for the Authenticator. Read returns it again to the
// handler.
func (b *recorder) whole() ([]byte, error) {
	if b.n > 0 || b.done {
		return bytes.Clone(b.ahead), nil
	}
	data, err := io.ReadAll(io.LimitReader(raw{b}, maxAuthBody+1))
	b.ahead = data
	if err == nil && len(data) > maxAuthBody {
		err = errors.New("mockapi: the request body is longer than 16 MiB, too long to authenticate")
	}
	return bytes.Clone(data), err
}

// raw reads the underlying body and counts and hashes its bytes.
type raw struct{ *recorder }

func (s raw) Read(p []byte) (int, error) {
	b := s.recorder
	n, err := b.body.Read(p)
	b.mu.Lock()
	b.sum.Write(p[:n])
	b.n += int64(n)
	b.done = b.done || err == io.EOF
	b.mu.Unlock()
	if err == io.EOF {
		b.note()
	}
	return n, err
}

func (b *recorder) Read(p []byte) (n int, err error) {
	if len(b.ahead) > 0 {
		n = copy(p, b.ahead)
		b.ahead = b.ahead[n:]
	} else {
		n, err = raw{b}.Read(p)
	}
	if b.keep != nil {
		b.keep.Write(p[:min(n, maxOrderBody-b.keep.Len())])
	}
	return n, err
}

func (b *recorder) Close() error { return b.body.Close() }

func (b *recorder) readAll() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

func (b *recorder) hex() string { return hex.EncodeToString(b.sum.Sum(nil)) }

// note updates the body's fields and the trailer in the log.
func (b *recorder) note() {
	if b.attempt == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.api.log.update(func() {
		a := b.attempt
		a.BodyBytes, a.BodyComplete = b.n, b.done
		if b.n > 0 || b.done {
			a.BodySum = b.hex()
		}
		if b.done && len(b.r.Trailer) > 0 {
			a.Trailer = b.r.Trailer.Clone()
			for _, values := range a.Trailer {
				for i, v := range values {
					values[i] = hide(v, false)
				}
			}
		}
	})
}
