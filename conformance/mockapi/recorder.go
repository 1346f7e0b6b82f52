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

// maxAuthBody is the longest body that an Authenticator gets: 16 MiB.
const maxAuthBody = 16 << 20

// recorder is a request's body on its way to whoever reads it; it notes in the
// log what was read.
type recorder struct {
	api     *API
	r       *http.Request // the server's own: its trailers are filled in
	body    io.ReadCloser
	attempt *Attempt      // nil until the request is judged
	ahead   []byte        // read for the Authenticator, not yet by the handler
	keep    *bytes.Buffer // gets the first maxOrderBody bytes

	// A handler may return while a goroutine of its own still reads: that of a
	// stream in both directions, for one.
	mu   sync.Mutex
	sum  hash.Hash
	n    int64
	done bool // the body was read to its end
}

func newRecorder(a *API, r *http.Request) *recorder {
	return &recorder{api: a, r: r, body: r.Body, sum: sha256.New()}
}

// whole reads the body for the Authenticator; the handler will read it again.
func (b *recorder) whole() ([]byte, error) {
	if b.n > 0 || b.done {
		return bytes.Clone(b.ahead), nil
	}
	data, err := io.ReadAll(io.LimitReader(raw{b}, maxAuthBody+1))
	b.ahead = data
	if err == nil && len(data) > maxAuthBody {
		err = errors.New("mockapi: the body is too long to authenticate")
	}
	return bytes.Clone(data), err
}

// raw reads the body itself, and notes it.
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

// note writes into the log what is known of the body.
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
