package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const peekTime = 2 * time.Second

// classify asks the classifier. If the classifier panics, the answer passes (F97).
func (t *Transport) classify(resp *http.Response) (v Verdict) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return Passed // F39: the body is now the connection of client and server
	}
	if t.classifier == nil {
		return RFC6750(answer(resp)) // a direct call keeps the answer on the stack
	}
	defer func() {
		if recover() != nil {
			v = Passed
		}
	}()
	return t.classifier(answer(resp))
}

// resync lets the scheme learn the server's clock from resp.
func (t *Transport) resync(resp *http.Response) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
		if !ok {
			t.ring.Warn(errNotResynced) // F165
		}
	}()
	return t.traits.Resync(answer(resp))
}

var errNotResynced = errors.New("transport: the server refused the time or nonce of a request, but its answer shows no other time to sign with: " +
	"check the clock; if another client used the key with larger nonces, set the option provider.NonceUnit")

func answer(resp *http.Response) *Answer {
	return &Answer{Status: resp.StatusCode, Header: resp.Header, resp: resp}
}

// peekedBody is a body whose beginning is read ahead by fill, on a goroutine. While
// fill runs, only fill reads the body: Read waits for what fill has read and returns it
// as soon as it arrives, so that a stream is not delayed. The caller reads the whole
// body and the error at its end.
type peekedBody struct {
	body io.ReadCloser

	mu      sync.Mutex
	more    sync.Cond // signals a change of the fields below
	head    []byte    // what fill has read; it only grows
	next    int       // how much of head Read has returned
	want    int       // how much fill shall read
	err     error     // why fill ended
	filling bool      // fill is running
	over    bool      // nobody waits any more: fill ends after the Read that is under way
	closed  bool
}

// peek returns up to n bytes from the beginning of the body, or fewer if no more arrive
// within peekTime.
func (p *peekedBody) peek(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want = max(p.want, n)
	if p.short() && !p.filling {
		p.filling = true
		go p.fill(p.head)
	}
	if p.short() {
		timer := time.AfterFunc(peekTime, p.enough)
		defer timer.Stop()
	}
	for p.short() {
		p.more.Wait()
	}
	return slices.Clip(p.head) // fill appends to head
}

// short reports whether peek must wait for more.
func (p *peekedBody) short() bool { return len(p.head) < p.want && p.err == nil && !p.over }

// ended reports whether the body was read to its end.
func (p *peekedBody) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Is(p.err, io.EOF)
}

func (p *peekedBody) fill(head []byte) {
	for more := true; more; {
		if len(head) == cap(head) {
			head = slices.Grow(head, 512)
		}
		n, err := readGuarded(p.body, head[len(head):min(cap(head), MaxPeek)])
		head = head[:len(head)+n]
		p.mu.Lock()
		p.head, p.err = head, err
		more = p.short()
		p.filling = more
		p.more.Broadcast()
		p.mu.Unlock()
	}
}

// enough ends the peek.
func (p *peekedBody) enough() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.more.Broadcast()
}

func (p *peekedBody) Read(b []byte) (int, error) {
	p.mu.Lock()
	for p.filling && p.next == len(p.head) && !p.closed {
		p.more.Wait()
	}
	if p.closed {
		p.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	if p.next < len(p.head) {
		n := copy(b, p.head[p.next:])
		p.next += n
		p.mu.Unlock()
		return n, nil
	}
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return p.body.Read(b)
}

// Close closes the body, which ends a Read of fill.
func (p *peekedBody) Close() error {
	p.mu.Lock()
	p.closed, p.over = true, true
	p.more.Broadcast()
	p.mu.Unlock()
	return p.body.Close()
}

// plain decompresses gzip. net/http leaves it compressed if the caller has set
// Accept-Encoding.
func plain(data []byte, h http.Header) []byte {
	if !strings.EqualFold(h.Get("Content-Encoding"), "gzip") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return data
	}
	data, _ = io.ReadAll(io.LimitReader(z, MaxPeek)) // an error is expected: data may be cut off
	return data
}

// readGuarded reads from r and turns a panic into an error: on a goroutine of the
// transport a panic would end the program (F97).
func readGuarded(r io.Reader, p []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, errors.New("transport: reading the response panicked")
		}
	}()
	n, err = r.Read(p)
	_ = p[:n] // an n that is too large panics here
	return n, err
}
