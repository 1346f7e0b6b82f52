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

// A shared is the body of a request whose GetBody may return the same reader each time.
// Some GetBody functions rewind one reader and return it again. An earlier attempt may
// still read it, if the server answered before it had read the request; then a later
// attempt would send only what is left (F115).
//
// So all code that reads the body reads it through a gate: an attempt, a base that
// sends again by itself, the signer, a policy. One gate owns the body at a time. It
// loses the body to the next gate that reads, after the Read that is under way and
// before GetBody is called.
type shared struct {
	req *http.Request // its GetBody and Body are the caller's

	mu       sync.Mutex
	changed  sync.Cond     // signals a change of the fields below and of a gate
	owner    *gate         // the gate that reads body
	body     io.ReadCloser // nil: closed
	unclosed []io.Closer   // earlier bodies, which body may need open
	busy     bool          // a Read or a GetBody is under way
	attempt  int           // the gates of earlier attempts have lost the body
	freed    bool          // no other attempt follows
	done     bool          // no gate may read any more
}

// A gate is a reader of a shared body. Its zero state is that of a gate that has read
// nothing.
type gate struct {
	s       *shared
	attempt int
	read    bool // it has read some of the body
	held    bool // reads wait
	closed  bool
}

// holdTime is the longest wait for a Read that is under way. Bodies that can be rewound
// are read from memory or a disk, so it is rarely reached.
const holdTime = time.Second

// maxUnclosed is how many earlier bodies stay open. Two bodies may share one file, so
// closing one could close the other.
const maxUnclosed = 8

var errLost = errors.New("transport: the attempt is over, or another attempt reads the request's body")

func newShared(req *http.Request) (*shared, *gate) {
	s := &shared{req: req, body: req.Body}
	s.changed.L = &s.mu
	s.owner = &gate{s: s}
	return s, s.owner
}

func (g *gate) Read(p []byte) (int, error) {
	body := g.s.begin(g)
	if body == nil {
		return 0, errLost
	}
	defer g.s.ready()
	return body.Read(p)
}

// begin begins a Read of g. It returns nil if g may not read any more.
func (s *shared) begin(g *gate) io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !g.over() {
		switch {
		case s.owner != g:
			if !s.handOver(g) {
				return nil
			}
		case s.body == nil:
			return nil
		case g.held, s.busy: // another gate may be getting the body
			s.changed.Wait()
		default:
			g.read, s.busy = true, true
			return s.body
		}
	}
	return nil
}

// over reports whether g can read no more. The caller holds mu.
func (g *gate) over() bool { return g.closed || g.attempt != g.s.attempt || g.s.done }

func (s *shared) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.changed.Broadcast()
}

// handOver makes g the owner of the body, from its start. It reports false if it cannot.
// The caller holds mu.
func (s *shared) handOver(g *gate) bool {
	if g.read || !s.settled() || g.over() {
		return false
	}
	if s.req.GetBody == nil {
		if s.owner.read || s.body == nil {
			return false
		}
		s.owner = g // nothing of it was read
		return true
	}
	s.busy = true
	s.mu.Unlock()
	next, err := s.req.GetBody()
	s.mu.Lock()
	s.busy = false
	s.changed.Broadcast()
	if err != nil || next == nil {
		return false
	}
	if s.body != nil && !same(s.body, next) {
		s.unclosed = append(s.unclosed, s.body)
		if len(s.unclosed) > maxUnclosed {
			_ = s.unclosed[0].Close()
			s.unclosed = s.unclosed[1:]
		}
	}
	s.owner, s.body = g, next
	return true
}

// settled waits up to holdTime for a Read or GetBody that is under way, and reports
// whether it has ended. The caller holds mu.
func (s *shared) settled() bool {
	if !s.busy {
		return true
	}
	late := false
	timer := time.AfterFunc(holdTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.changed.Broadcast()
	})
	defer timer.Stop()
	for s.busy && !late {
		s.changed.Wait()
	}
	return !s.busy
}

// Close closes the body only if no other attempt can need it. A body that GetBody
// rewinds must still be open for that, and a body without GetBody may be sent again if
// nothing of it was read (F38).
func (g *gate) Close() error {
	s := g.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g.closed = true
	s.changed.Broadcast()
	return s.closeUnused()
}

// closeUnused closes the body if its reader has closed it and no other attempt follows. The
// caller holds mu.
func (s *shared) closeUnused() error {
	if !s.freed || !s.owner.closed {
		return nil
	}
	return s.end()
}

// end closes the body. The caller holds mu.
func (s *shared) end() error {
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	for _, body := range s.unclosed {
		_ = body.Close()
	}
	s.body, s.unclosed = nil, nil
	return err
}

// getBody is the GetBody of the request that the base and the signer see.
func (s *shared) getBody() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &gate{s: s, attempt: s.attempt}, nil
}

// again takes the body from the attempt and returns the gate of the next one. It
// returns nil if the body cannot be read again.
func (s *shared) again() *gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &gate{s: s, attempt: s.attempt}
	if !s.handOver(g) {
		return nil
	}
	s.attempt++
	g.attempt = s.attempt
	s.changed.Broadcast()
	return g
}

// endReading ends all reading, permanently. A Read that is under way has ended when
// endReading returns, if closing the body ends it within holdTime.
func (s *shared) endReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed, s.done = true, true
	s.changed.Broadcast()
	_ = s.end()
	s.settled()
}

// free implements release for a shared body.
func (g *gate) free() {
	s := g.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = true
	if g.closed {
		_ = s.closeUnused()
	}
}

// finish implements over for a shared body.
func (g *gate) finish(resp *http.Response) {
	s := g.s
	s.mu.Lock()
	sent := g.closed && !s.busy
	s.mu.Unlock()
	switch {
	case resp == nil, resp.StatusCode == http.StatusTemporaryRedirect, resp.StatusCode == http.StatusPermanentRedirect:
		s.endReading()
	case resp.StatusCode != http.StatusSwitchingProtocols && !sent: // F39
		resp.Body = &answered{resp.Body, s}
	}
}

// same reports whether a and b are the same reader.
func same(a, b io.ReadCloser) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// answered is the body of an answer that came before the request's body was read to its
// end. Close ends the attempt's use of the request's body: after Close a caller, such
// as a retry library, may call GetBody.
type answered struct {
	io.ReadCloser
	s *shared
}

func (a *answered) Close() error {
	err := a.ReadCloser.Close()
	a.s.endReading()
	return err
}

// fresh reports whether getBody is known to return a new reader each time: it was made
// by http.NewRequest or SetBody. Other bodies are shared.
func fresh(getBody func() (io.ReadCloser, error)) bool {
	return slices.Contains(freshBodies[:], reflect.ValueOf(getBody).Pointer())
}

// freshBodies are the code pointers of these functions. Closures of one function have
// different variables but the same code.
var freshBodies = func() (code [4]uintptr) {
	const text = "not empty, since an empty body is http.NoBody"
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
