package provider

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// A Call is one attempt of a request while it is being signed. Do not keep it
// afterwards. It is not safe for concurrent use.
type Call struct {
	// Request is the transport's copy of the request: [transport.Signer] says what may
	// be changed and how. Read its body by the method Body.
	Request *http.Request
	// Time is the time of the attempt, the same in all its parts.
	Time time.Time

	signer    *signer
	body      []byte
	gotBody   bool
	nonce     uint64
	random    []byte // nil until Random is called
	message   []byte
	signature []byte
	headers   []byte   // the values of the headers, concatenated
	ends      []int    // where each value ends in headers
	text      []byte   // buffer for Value; nil while it is in use
	sum       [64]byte // buffer for a MAC
	err       error
}

var calls = sync.Pool{New: func() any { return new(Call) }}

func newCall(s *signer, req *http.Request) *Call {
	c := calls.Get().(*Call)
	c.Request, c.signer, c.Time = req, s, s.d.clock.Now()
	return c
}

func (c *Call) release() {
	const keep = 64 << 10 // larger buffers are not reused
	if cap(c.message)+cap(c.headers)+cap(c.signature)+cap(c.text) > keep {
		return
	}
	*c = Call{message: c.message[:0], signature: c.signature[:0], headers: c.headers[:0], text: c.text[:0], ends: c.ends[:0]}
	calls.Put(c)
}

// Value returns the text that the parts append.
func (c *Call) Value(parts ...Part) string {
	room := c.text
	c.text = nil // a part may call Value too
	for _, part := range parts {
		room = part(room, c)
	}
	text := string(room)
	c.text = room[:0]
	return text
}

// Fail makes the request fail with err before anything is sent. It is for parts, which
// return no error. The first error counts; a nil err is ignored.
func (c *Call) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Body returns the request's body as it will be sent; do not change it. In a form bytes
// from 0x80 on are percent-encoded. If the body cannot be read twice, Body returns nil,
// and the request fails with an error that wraps [transport.ErrBody] before anything is
// sent.
func (c *Call) Body() []byte {
	if !c.gotBody {
		c.gotBody = true
		body, err := transport.Body(c.Request)
		c.body = body
		c.Fail(err)
		if query.IsForm(c.Request.Header) {
			c.encodeForm()
		}
	}
	return c.body
}

// encodeForm percent-encodes the form in the body.
func (c *Call) encodeForm() {
	if text := query.ASCII(string(c.body)); len(text) != len(c.body) { // F163
		c.SetBody([]byte(text), "")
	}
}

// encodeURL percent-encodes the query, since a server may read other bytes in it than it
// was sent. It moves the query of an opaque URL to where the parts find it.
func (c *Call) encodeURL() {
	u := c.Request.URL
	raw := query.ASCII(u.RawQuery) // F163
	if u.Opaque == "" && len(raw) == len(u.RawQuery) {
		return
	}
	v := *u
	v.RawQuery = raw
	if path, more, found := strings.Cut(u.Opaque, "?"); found {
		v.Opaque, v.ForceQuery, v.RawQuery = path, true, query.ASCII(more)
		if raw != "" || u.ForceQuery {
			v.RawQuery += "?" + raw // as RequestURI has it
		}
	}
	v.Opaque = query.ASCII(v.Opaque)
	c.Request.URL = &v
}

// SetBody replaces the request's body. It sets Content-Type to contentType, unless that
// is empty or the caller has set a Content-Type. SetBody does nothing after Fail.
func (c *Call) SetBody(data []byte, contentType string) {
	if c.err != nil {
		return
	}
	c.body, c.gotBody = data, true
	transport.SetBody(c.Request, data)
	setType(c.Request, contentType)
}

// SetQuery replaces the request's query by raw, which must be encoded.
func (c *Call) SetQuery(raw string) {
	u := *c.Request.URL
	u.RawQuery = raw
	c.Request.URL = &u
}

// showsSecret reports whether a header's value contains the key's secret. There is no
// request yet: a Part that needs one may fail, or panic.
func (c *Call) showsSecret() (shows bool) {
	defer func() { _ = recover() }()
	c.nonce = 1 // takes none from the counter
	for _, h := range c.signer.d.Headers {
		shows = shows || bytes.Contains(h.Value(nil, c), []byte(c.signer.secret.Expose()))
	}
	return shows
}

func (c *Call) sign() error {
	d := c.signer.d
	c.encodeURL()
	if d.Before != nil {
		c.Fail(d.Before(c))
	}
	for _, part := range d.Message {
		c.message = part(c.message, c)
	}
	if c.err != nil {
		return c.err
	}
	if len(d.Message) > 0 {
		sum, err := c.signer.sign(c.sum[:0], c.message)
		if err != nil {
			return err
		}
		c.signature = c.signer.encode(c.signature, sum)
	}
	if d.After != nil {
		c.Fail(d.After(c))
	}
	if c.err == nil {
		c.setHeaders()
	}
	return c.err
}

// setHeaders sets the headers. A value that is the same as at the version's first
// attempt, such as the key's id, shares its slice. The other values are written into
// one string and one slice. This saves allocations.
func (c *Call) setHeaders() {
	d := c.signer.d
	const kept = -1
	differ := 0
	for i, h := range d.Headers {
		from := len(c.headers)
		c.headers = h.Value(c.headers, c)
		if values := c.signer.kept[i].Load(); values != nil && string(c.headers[from:]) == (*values)[0] {
			c.headers = c.headers[:from]
			c.ends = append(c.ends, kept)
		} else {
			c.ends = append(c.ends, len(c.headers))
			differ++
		}
	}
	if c.err != nil {
		return
	}
	var text string
	var values []string
	if differ > 0 {
		text, values = string(c.headers), make([]string, 0, differ)
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
