package rpc

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// A Conn is the stream of one attempt.
type Conn interface {
	comparable
	Send(any) error
	CloseRequest() error
}

// A Stream is the sending side of a streaming call with its attempts, one after the
// other, until the first message arrives. Until then it keeps copies of the messages
// that were sent, within the Auth's limits, and sends them again in each attempt. One
// goroutine may send while another receives.
type Stream[C Conn] struct {
	Hooks[C]
	Receiving sync.Mutex // held by the goroutine that receives; locked after sending
	sending   sync.Mutex // held by the goroutine that sends
	settled   atomic.Bool
	call      *Call // set before anything is sent

	mu      sync.Mutex // guards the fields below; locked last, and never held during a send or receive
	live    C
	to      progress // the progress of live
	kept    []any    // the caller's messages that may have to be sent again
	size    int      // of kept, in bytes
	keeping bool     // the stream can be made again
	closed  bool     // CloseRequest was called
	err     error    // why there is no attempt
}

// Hooks are the parts of a Stream that depend on the protocol.
type Hooks[C Conn] struct {
	// Single: the caller sends one message, which is kept whatever its size.
	Single bool
	// Open opens the stream of the next attempt. refused is the attempt that was
	// refused.
	Open func(refused C) (C, error)
	// Copy copies a message, because the caller may change it after it is sent, and
	// returns its size in bytes. It returns false if the message cannot be copied.
	Copy func(any) (any, int, bool)
	// Why is called, with Receiving held, when an attempt takes no more messages. known
	// says that Why knows how the attempt ended; again is then the result of Refused.
	Why func(C) (again, known bool)
}

// progress is what was sent in an attempt.
type progress struct {
	sent   int  // number of kept messages
	closed bool // the end of the messages
	broken bool // the attempt takes no more messages
}

// Begin begins the stream with its first attempt. If call is nil, the stream is never
// made again.
func (s *Stream[C]) Begin(call *Call, live C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.live, s.keeping = call, live, call != nil
}

// Live returns the live attempt, or the reason why there is none.
func (s *Stream[C]) Live() (C, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live, s.err
}

// Settle records that a message arrived: the server accepted the key, and the stream is
// not made again.
func (s *Stream[C]) Settle() {
	if s.settled.Swap(true) {
		return
	}
	s.Stop()
	if s.call != nil {
		s.call.Ended(nil)
	}
}

// Stop prevents further attempts.
func (s *Stream[C]) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = false
	s.drop()
}

// Refused reports to the ring that live ended with err, and returns whether there is
// another attempt. If replay is true, a goroutine sends the kept messages to the new
// attempt while the caller goes on receiving.
func (s *Stream[C]) Refused(live C, err error, replay bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != live {
		return true // there is one already
	}
	if !s.keeping || !s.call.Again(err) {
		s.keeping = false
		s.call.Ended(err)
		return false
	}
	next, err := s.Open(live)
	if err != nil {
		s.keeping, s.err = false, err
		return false
	}
	s.live, s.to = next, progress{}
	if replay && (s.closed || len(s.kept) > 0) {
		// The receiving goroutine must not wait for this: a server may stop reading until
		// its answers are read.
		go func() {
			s.sending.Lock()
			defer s.sending.Unlock()
			_ = s.catchUp() // receiving returns the error
		}()
	}
	return true
}

// Send sends a message. While the stream can be made again, it also keeps a copy.
// io.EOF means that the stream has ended; receiving returns the reason.
func (s *Stream[C]) Send(m any) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	kept := s.keeping && s.keep(m)
	s.keeping = kept
	s.mu.Unlock()
	err := s.catchUp()
	if err != nil || kept {
		return err
	}
	live, err := s.Live() // no other attempt can follow
	if err != nil {
		return io.EOF
	}
	return live.Send(m)
}

// CloseRequest ends the messages of the caller.
func (s *Stream[C]) CloseRequest() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if err := s.catchUp(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil // receiving returns the reason
}

// catchUp sends the kept messages that the live attempt lacks. io.EOF means that the
// stream has ended. The caller holds sending.
func (s *Stream[C]) catchUp() error {
	for {
		live, m, what := s.next()
		var err error
		switch what {
		case nothing:
			return nil
		case over:
			return io.EOF
		case end:
			err = live.CloseRequest()
		case message:
			if err = live.Send(m); errors.Is(err, io.EOF) {
				err = s.revive(live)
			}
		}
		if err != nil {
			return err
		}
	}
}

// A step is what catchUp does next.
type step uint8

const (
	nothing step = iota // everything is sent, or the receiving goroutine makes the next attempt
	message
	end
	over
)

func (s *Stream[C]) next() (live C, m any, what step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.to.broken && s.keeping:
		return s.live, nil, nothing
	case s.to.broken:
		return s.live, nil, over
	case s.to.sent < len(s.kept):
		s.to.sent++
		return s.live, s.kept[s.to.sent-1], message
	case s.closed && !s.to.closed:
		s.to.closed = true
		return s.live, nil, end
	}
	s.drop()
	return s.live, nil, nothing
}

// revive is called when live takes no more messages. If live was refused, revive makes
// another attempt. io.EOF means that the stream has ended. The caller holds sending.
func (s *Stream[C]) revive(live C) error {
	s.mu.Lock()
	gone, keeping := s.live != live, s.keeping
	s.mu.Unlock()
	switch {
	case gone:
		return nil
	case !keeping:
		return io.EOF
	}
	if s.Receiving.TryLock() {
		defer s.Receiving.Unlock()
		if again, known := s.Why(live); again {
			return nil
		} else if known {
			return io.EOF
		}
	} // else the receiving goroutine makes the next attempt
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == live {
		s.to.broken = true
	}
	return nil
}

// keep keeps a copy of a message, and reports false if it cannot. A nil message stands
// for headers alone. The caller holds mu.
func (s *Stream[C]) keep(m any) bool {
	if m == nil {
		s.kept = append(s.kept, nil)
		return true
	}
	m, size, ok := s.Copy(m)
	if !ok || !s.Single && (len(s.kept) >= s.call.auth.Messages || s.size+size > s.call.auth.Size) {
		return false
	}
	s.size += size
	s.kept = append(s.kept, m)
	return true
}

// drop discards the kept messages if they are sent and the stream is not made again.
// The caller holds mu.
func (s *Stream[C]) drop() {
	if !s.keeping && s.to.sent == len(s.kept) {
		s.kept, s.to.sent = nil, 0
	}
}
