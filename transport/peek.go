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

// classify asks the classifier. A classifier that panics has nothing to say (F97).
func (t *Transport) classify(resp *http.Response) (v Verdict) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return Passed // F39: its body belongs to the two ends
	}
	if t.classifier == nil {
		return RFC6750(answer(resp)) // called by its name, so that the answer stays on the stack
	}
	defer func() {
		if recover() != nil {
			v = Passed
		}
	}()
	return t.classifier(answer(resp))
}

// resync hands resp to the scheme, which may learn the server's clock from it.
func (t *Transport) resync(resp *http.Response) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return t.traits.Resync(answer(resp))
}

func answer(resp *http.Response) *Answer {
	return &Answer{Status: resp.StatusCode, Header: resp.Header, resp: resp}
}

// peekedBody is a body of which the beginning is read ahead. Nobody reads the
// body itself while fill does: Read waits for what fill gets, and hands it out
// as it comes, so that a stream is not held up. The caller reads the body whole,
// error at its end included.
type peekedBody struct {
	body io.ReadCloser

	mu      sync.Mutex
	more    sync.Cond // when one of these changes
	head    []byte    // what was read ahead; only ever appended to
	next    int       // of head, to be handed out
	want    int       // how much is to be read ahead
	err     error     // with which reading ahead ended
	filling bool      // fill is at work
	over    bool      // nobody waits any longer: fill ends with the Read that it is in
	closed  bool
}

// peek reads the beginning of the body, as far as n bytes, or as much as comes in
// time.
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
	return slices.Clip(p.head) // fill writes behind it
}

// short reports whether there is more to be had and to be waited for.
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

// Close closes the body, which ends a Read that fill is in.
func (p *peekedBody) Close() error {
	p.mu.Lock()
	p.closed, p.over = true, true
	p.more.Broadcast()
	p.mu.Unlock()
	return p.body.Close()
}

// plain undoes gzip, which reaches us if the caller asked for it himself.
func plain(data []byte, h http.Header) []byte {
	if !strings.EqualFold(h.Get("Content-Encoding"), "gzip") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return data
	}
	data, _ = io.ReadAll(io.LimitReader(z, MaxPeek)) // cut short is fine
	return data
}

// readGuarded reads from r, and makes an error of a panic, which would end the
// program where it is met on a goroutine of ours (F97).
func readGuarded(r io.Reader, p []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, errors.New("transport: reading the response panicked")
		}
	}()
	n, err = r.Read(p)
	_ = p[:n] // or it panics here
	return n, err
}
