package transport

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	peekTime   = 2 * time.Second
	drainBytes = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// classify asks the classifier. A classifier that panics has nothing to say (F97).
func (t *Transport) classify(resp *http.Response) (v Verdict) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return Passed // F39: its body belongs to the two ends
	}
	defer func() {
		if recover() != nil {
			v = Passed
		}
	}()
	if t.classifier == nil {
		return RFC6750(answer(resp)) // called by its name, so that the answer stays on the stack
	}
	return t.classifier(answer(resp))
}

// resync hands resp to the scheme, which may learn the server's clock from it.
func (t *Transport) resync(resp *http.Response) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return t.resyncer.Resync(answer(resp))
}

func answer(resp *http.Response) *Answer {
	return &Answer{Status: resp.StatusCode, Header: resp.Header, resp: resp}
}

// peek reads the beginning of the body and puts it back: the caller reads the
// body whole, error at its end included.
func peek(resp *http.Response) []byte {
	if resp.Body == nil || resp.Body == http.NoBody {
		return nil
	}
	p := &peekedBody{body: resp.Body, done: make(chan struct{})}
	resp.Body = p
	go p.fill()
	timer := time.NewTimer(peekTime)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.head
	case <-timer.C:
		return nil // a body that drips: whoever reads it waits for it
	}
}

// peekedBody is a body of which the beginning is read ahead.
type peekedBody struct {
	body io.ReadCloser
	done chan struct{} // closed when head and err are valid
	head []byte
	err  error
	next int // of head
}

func (p *peekedBody) fill() {
	defer close(p.done)
	p.head, p.err = io.ReadAll(io.LimitReader(p.body, MaxPeek))
}

func (p *peekedBody) Read(b []byte) (int, error) {
	<-p.done
	if p.next < len(p.head) {
		n := copy(b, p.head[p.next:])
		p.next += n
		return n, nil
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.body.Read(b)
}

func (p *peekedBody) Close() error { return p.body.Close() }

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

// drain reads what is left of a response, within bounds, so that its connection
// can be used again, and closes it (F32).
func drain(resp *http.Response) {
	if resp.Body == http.NoBody || resp.ContentLength == 0 {
		_ = resp.Body.Close()
		return
	}
	stop := time.AfterFunc(drainTime, func() { _ = resp.Body.Close() })
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	stop.Stop()
	_ = resp.Body.Close()
}
