package provider

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// A Call is one attempt at a request while it is being signed. It lives no
// longer than that, and is not safe for concurrent use.
type Call struct {
	// Request is the transport's copy: see [transport.Signer] for what may be
	// changed of it, and how. Its body is read with Body.
	Request *http.Request
	// Time is the attempt's time, the same in all its parts.
	Time time.Time

	signer    *signer
	body      []byte
	gotBody   bool
	nonce     uint64
	message   []byte
	signature []byte
	scratch   []byte
	sum       [64]byte // room for a MAC
	ends      []int
	err       error
}

var calls = sync.Pool{New: func() any { return new(Call) }}

func newCall(s *signer, req *http.Request) *Call {
	c := calls.Get().(*Call)
	c.Request, c.signer, c.Time = req, s, s.d.clock.now()
	return c
}

func (c *Call) release() {
	const keep = 64 << 10 // a large body's room is not kept
	if cap(c.message)+cap(c.scratch)+cap(c.signature) > keep {
		return
	}
	*c = Call{message: c.message[:0], signature: c.signature[:0], scratch: c.scratch[:0], ends: c.ends[:0]}
	calls.Put(c)
}

// Body returns the request's body as it will be sent; it must not be changed.
// If it cannot be read twice, the result is empty and the request fails with an
// error that wraps [transport.ErrBody], before anything is sent (F33).
func (c *Call) Body() []byte {
	if !c.gotBody {
		c.gotBody = true
		body, err := transport.Body(c.Request)
		c.body = body
		c.fail(err)
	}
	return c.body
}

// SetBody gives the request another body. It does nothing once signing has failed.
func (c *Call) SetBody(data []byte) {
	if c.err != nil {
		return
	}
	c.body, c.gotBody = data, true
	transport.SetBody(c.Request, data)
}

// SetQuery gives the request another query.
func (c *Call) SetQuery(raw string) {
	u := *c.Request.URL
	u.RawQuery = raw
	c.Request.URL = &u
}

// Message returns the string to sign, for After.
func (c *Call) Message() []byte { return c.message }

// Nonce returns the attempt's nonce. It grows strictly for each key id, across
// goroutines, clients of the process and steps of the clock.
func (c *Call) Nonce() uint64 {
	if c.nonce == 0 {
		// Before 1970 there is no nonce but the last one and one more.
		c.nonce = c.signer.nonces.next(uint64(max(0, c.Time.UnixNano()/int64(c.signer.d.nonceUnit))))
	}
	return c.nonce
}

// Signature returns the signature, written as the API wants it, for After.
func (c *Call) Signature() []byte { return c.signature }

func (c *Call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *Call) sign() error {
	d := c.signer.d
	if d.Before != nil {
		c.fail(d.Before(c))
	}
	for _, part := range d.Message {
		c.message = part(c.message, c)
	}
	if c.err != nil {
		return c.err
	}
	sum, err := c.signer.compute(c.sum[:0], c.message)
	if err != nil {
		return err
	}
	c.signature = c.signer.encode(c.signature, sum)
	if d.After != nil {
		c.fail(d.After(c))
	}
	if c.err == nil {
		c.setHeaders()
	}
	return c.err
}

// setHeaders sets the headers. Values that are as they were at the version's first
// attempt, such as the key's id, share a slice with it; the others are written into
// one string and one slice.
func (c *Call) setHeaders() {
	d := c.signer.d
	const kept = -1
	differ := 0
	for i, h := range d.Headers {
		from := len(c.scratch)
		c.scratch = h.Value(c.scratch, c)
		if values := c.signer.kept[i].Load(); values != nil && string(c.scratch[from:]) == (*values)[0] {
			c.scratch = c.scratch[:from]
			c.ends = append(c.ends, kept)
		} else {
			c.ends = append(c.ends, len(c.scratch))
			differ++
		}
	}
	if c.err != nil {
		return
	}
	var text string
	var values []string
	if differ > 0 {
		text, values = string(c.scratch), make([]string, 0, differ)
	}
	from := 0
	for i, end := range c.ends {
		if end == kept {
			c.Request.Header[d.names[i]] = *c.signer.kept[i].Load()
			continue
		}
		values = append(values, text[from:end])
		n := len(values)
		c.Request.Header[d.names[i]] = values[n-1 : n : n]
		if c.signer.kept[i].Load() == nil {
			c.signer.kept[i].CompareAndSwap(nil, &[]string{strings.Clone(text[from:end])})
		}
		from = end
	}
}
