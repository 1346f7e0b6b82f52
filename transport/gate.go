package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// A gate stands between an attempt and the request's body, so that the attempt
// can lose it. Some callers' GetBody rewinds one reader and hands it out again:
// while an earlier attempt still reads it, as it does where the server answers
// before it has read the request, the later one would send what is left (F115).
// It also puts off closing the body until no other attempt wants it: one that is
// rewound must be open for that, and one that cannot be had again may be untouched (F38).
type gate struct {
	body io.ReadCloser
	keep bool        // the body cannot be had again
	owed []io.Closer // bodies of attempts before, to be closed with this one

	mu      sync.Mutex
	changed sync.Cond // when one of these does
	reading bool      // a Read of the body is under way
	read    bool      // there was one
	held    bool      // reads wait
	lost    bool      // reads fail, and the body is not this attempt's to close
	closed  bool      // by the attempt
	freed   bool      // no other attempt will want the body
	ended   bool      // the body was closed
}

// holdTime is how long a Read that is under way is waited for. Bodies that can
// be rewound are read from memory or a disk.
const holdTime = time.Second

var errLost = errors.New("transport: the attempt is over, and its body belongs to another")

func newGate(body io.ReadCloser, keep bool) *gate {
	g := &gate{body: body, keep: keep}
	g.changed.L = &g.mu
	return g
}

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	for g.held && !g.lost && !g.closed {
		g.changed.Wait()
	}
	if g.lost || g.closed {
		g.mu.Unlock()
		return 0, errLost
	}
	g.reading, g.read = true, true
	g.mu.Unlock()
	defer g.ready()
	return g.body.Read(p)
}

// ready notes that a Read is over.
func (g *gate) ready() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = false
	g.changed.Broadcast()
}

func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed.Broadcast()
	if g.lost || !g.freed {
		return nil
	}
	return g.end()
}

// end closes the body, once. The caller holds mu.
func (g *gate) end() error {
	if g.ended {
		return nil
	}
	g.ended = true
	err := g.body.Close()
	for _, body := range g.owed {
		_ = body.Close()
	}
	return err
}

// hold makes reads wait, and reports whether the one that was under way is over.
// If it is not, in time, reads go on.
func (g *gate) hold() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = true
	if g.settled() {
		return true
	}
	g.held = false
	g.changed.Broadcast()
	return false
}

// settled waits for the Read that is under way, and reports whether it is over.
// The caller holds mu.
func (g *gate) settled() bool {
	if !g.reading {
		return true
	}
	late := false
	timer := time.AfterFunc(holdTime, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		late = true
		g.changed.Broadcast()
	})
	defer timer.Stop()
	for g.reading && !late {
		g.changed.Wait()
	}
	return !g.reading
}

// resume ends a hold.
func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = false
	g.changed.Broadcast()
}

// lose ends the attempt's reading for good. The body is closed with that of the
// attempt that has it next, which may be the same; where there is none, now.
func (g *gate) lose(next *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost {
		return
	}
	g.lost, g.held = true, false
	g.changed.Broadcast()
	g.settled()
	switch {
	case next == nil:
		_ = g.end()
	case !g.ended:
		g.ended = true
		if !g.keep {
			next.owed = append(g.owed, g.body)
		}
	}
}

// untouched returns the body if it cannot be had again and nothing was read of it.
func (g *gate) untouched() io.ReadCloser {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.keep || g.read || g.ended {
		return nil
	}
	return g.body
}

// free lets go of a body that no other attempt will want.
func (g *gate) free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.freed = true
	if g.closed && !g.lost {
		_ = g.end()
	}
}

// over reports whether the attempt has no more use for the body.
func (g *gate) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed || g.lost
}

// answered is the body of an answer that came while the request's was being
// read. With it ends the attempt: after Close a caller may ask for the request's
// body again, as http.Client does to follow a redirect and retry libraries do.
type answered struct {
	io.ReadCloser
	gate *gate
}

func (a *answered) Close() error {
	err := a.ReadCloser.Close()
	a.gate.lose(nil)
	return err
}

// fresh reports whether getBody is one that is known to return a reader of its
// own each time: of http.NewRequest, or of SetBody. A gate is needed for the others.
func fresh(getBody func() (io.ReadCloser, error)) bool {
	return slices.Contains(freshBodies[:], reflect.ValueOf(getBody).Pointer())
}

// freshBodies are the functions' code. What they close over differs, their code
// does not.
var freshBodies = func() (code [4]uintptr) {
	const text = "one with bytes, since an empty body is http.NoBody"
	for i, r := range []io.Reader{bytes.NewBufferString(text), bytes.NewReader([]byte(text)), strings.NewReader(text)} {
		if req, err := http.NewRequest(http.MethodPost, "http://localhost", r); err == nil {
			code[i] = reflect.ValueOf(req.GetBody).Pointer()
		}
	}
	var set http.Request
	SetBody(&set, []byte(text))
	code[3] = reflect.ValueOf(set.GetBody).Pointer()
	return code
}()
