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

// A shared is the body of a request whose GetBody is not known to return a reader of
// its own each time. Some rewind one reader and hand it out again: while an earlier
// attempt still reads it, as it does where the server answers before it has read the
// request, a later one would send what is left (F115). So whoever reads the body, be it
// an attempt, the base that sends again by itself, the signer or a policy, reads it
// through a gate. One gate has the body at a time. It loses the body to the next one
// that reads, once the Read that is under way has ended and before GetBody is called.
type shared struct {
	req *http.Request // GetBody and Body are the caller's

	mu      sync.Mutex
	changed sync.Cond     // signals a change of what is below, and of a gate
	owner   *gate         // reads body
	body    io.ReadCloser // nil: it is closed
	owed    []io.Closer   // bodies before it, which may be open for its sake
	busy    bool          // a Read, or a GetBody, is under way
	attempt int           // gates of attempts before this one have lost the body
	freed   bool          // there will be no other attempt
	done    bool          // nobody may read any more
}

// A gate is a reader of a shared body. Its zero state is that of one that has read nothing.
type gate struct {
	s       *shared
	attempt int
	read    bool // some of the body
	held    bool // reads wait
	closed  bool
}

// holdTime is how long a Read that is under way is waited for. Bodies that can
// be rewound are read from memory or a disk.
const holdTime = time.Second

// maxOwed is how many bodies stay open for the one after them: two that look like two
// may close one file.
const maxOwed = 8

var errLost = errors.New("transport: the attempt is over, or another reads the request's body")

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

// begin begins a Read of g's, nil if it may not read any more.
func (s *shared) begin(g *gate) io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !g.over() {
		switch {
		case s.owner != g:
			if !s.give(g) {
				return nil
			}
		case s.body == nil:
			return nil
		case g.held, s.busy: // the body may be being given to another
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

// give gives the body to g, from its start. The caller holds mu.
func (s *shared) give(g *gate) bool {
	if g.read || !s.settled() || g.over() {
		return false
	}
	if s.req.GetBody == nil {
		if s.owner.read || s.body == nil {
			return false
		}
		s.owner = g // untouched
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
		s.owed = append(s.owed, s.body)
		if len(s.owed) > maxOwed {
			_ = s.owed[0].Close()
			s.owed = s.owed[1:]
		}
	}
	s.owner, s.body = g, next
	return true
}

// settled waits for what is under way, and reports whether it is over. The caller holds mu.
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

// Close closes the body where nobody else will want it. Until then it stays open: one
// that is rewound must be open for that, and one that cannot be had again may be
// untouched (F38).
func (g *gate) Close() error {
	s := g.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g.closed = true
	s.changed.Broadcast()
	return s.tidy()
}

// tidy closes the body if its reader has closed it and nobody else will want it. The
// caller holds mu.
func (s *shared) tidy() error {
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
	for _, body := range s.owed {
		_ = body.Close()
	}
	s.body, s.owed = nil, nil
	return err
}

// getBody is the request's GetBody for the base and for the signer.
func (s *shared) getBody() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &gate{s: s, attempt: s.attempt}, nil
}

// again ends the attempt's hold on the body, and returns the gate of the next, nil if
// the body cannot be had again.
func (s *shared) again() *gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &gate{s: s, attempt: s.attempt}
	if !s.give(g) {
		return nil
	}
	s.attempt++
	g.attempt = s.attempt
	s.changed.Broadcast()
	return g
}

// lose ends all reading, for good. A Read that is under way has ended, if it does so
// when the body is closed or soon after.
func (s *shared) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed, s.done = true, true
	s.changed.Broadcast()
	_ = s.end()
	s.settled()
}

// free is release for a shared body.
func (g *gate) free() {
	s := g.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = true
	if g.closed {
		_ = s.tidy()
	}
}

// finish is over for a shared body.
func (g *gate) finish(resp *http.Response) {
	s := g.s
	s.mu.Lock()
	sent := g.closed && !s.busy
	s.mu.Unlock()
	switch {
	case resp == nil, resp.StatusCode == http.StatusTemporaryRedirect, resp.StatusCode == http.StatusPermanentRedirect:
		s.lose()
	case resp.StatusCode != http.StatusSwitchingProtocols && !sent: // F39
		resp.Body = &answered{resp.Body, s}
	}
}

// same reports whether a and b are one reader.
func same(a, b io.ReadCloser) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// answered is the body of an answer that came while the request's was being
// read. With it ends the attempt: after Close a caller may ask for the request's
// body again, as retry libraries do.
type answered struct {
	io.ReadCloser
	s *shared
}

func (a *answered) Close() error {
	err := a.ReadCloser.Close()
	a.s.lose()
	return err
}

// fresh reports whether getBody is one that is known to return a reader of its
// own each time: of http.NewRequest, or of SetBody. The others are shared.
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
