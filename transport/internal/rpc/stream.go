package rpc

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// A Conn is one attempt at a stream: what is below.
type Conn interface {
	comparable
	Send(any) error
	CloseRequest() error
}

// A Stream is a streaming call on the side that sends: its attempts, one after the other,
// until the first message has come. Messages are kept so long, within the Auth's bounds, and
// sent again to each attempt. One goroutine may send while another receives.
type Stream[C Conn] struct {
	Hooks[C]
	Receiving sync.Mutex // held by the goroutine that receives; taken after sending
	sending   sync.Mutex // held by the one that sends
	settled   atomic.Bool
	call      *Call // set before anything is sent

	mu      sync.Mutex // guards the rest; taken last. Nothing is sent under it, nor received
	live    C
	to      progress // of live
	kept    []any    // messages of the caller, as long as they may have to be sent
	size    int      // of them, in bytes
	keeping bool     // the stream can be made again
	closed  bool     // by CloseRequest
	err     error    // why there is no attempt
}

// Hooks are what the protocol adds to a Stream.
type Hooks[C Conn] struct {
	// Single: the caller sends one message, which is kept whatever its size.
	Single bool
	// Open opens the stream of the call's next attempt, after one that was refused.
	Open func(refused C) (C, error)
	// Copy copies a message, for the caller may change it when it is sent, and returns its
	// size. It reports false for one that cannot be copied.
	Copy func(any) (any, int, bool)
	// Why is called with Receiving held when an attempt takes no more messages, and
	// returns what Refused said where the attempt's end is known.
	Why func(C) (again, known bool)
}

// progress is what an attempt has had.
type progress struct {
	sent   int  // of what is kept
	closed bool // the end
	broken bool // it takes no more messages
}

// Begin begins the stream with its first attempt, or, without a call, one that is not made
// again.
func (s *Stream[C]) Begin(call *Call, live C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.live, s.keeping = call, live, call != nil
}

// Live returns the attempt that is live, or why there is none.
func (s *Stream[C]) Live() (C, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live, s.err
}

// Settle notes that a message came: the key was accepted, and the stream is not made again.
func (s *Stream[C]) Settle() {
	if s.settled.Swap(true) {
		return
	}
	s.Stop()
	if s.call != nil {
		s.call.Ended(nil)
	}
}

// Stop ends the making again.
func (s *Stream[C]) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = false
	s.drop()
}

// Refused tells the ring what err, with which live ended, says of the key, and reports
// whether there is another attempt. replay says that it is to be sent what is kept, beside
// the caller's receiving.
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
		// Whoever receives must not wait for it: a server may read on only when its
		// answers are read.
		go func() {
			s.sending.Lock()
			defer s.sending.Unlock()
			_ = s.catchUp() // who receives will find out
		}()
	}
	return true
}

// Send sends a message. While the stream can be made again, it sends and keeps a copy. io.EOF
// says that the stream is over; receiving tells why.
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
	live, err := s.Live() // the last there is
	if err != nil {
		return io.EOF
	}
	return live.Send(m)
}

// CloseRequest says that no more messages follow.
func (s *Stream[C]) CloseRequest() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if err := s.catchUp(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil // receiving tells
}

// catchUp sends the live attempt what it has not had of what is kept. io.EOF says that the
// stream is over. The caller holds sending.
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

// What is to be sent.
type step uint8

const (
	nothing step = iota // the attempt has had everything, or whoever receives makes another
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

// revive is called when live takes no more messages. If that is for a refusal, it makes
// another attempt. io.EOF says that the stream is over. The caller holds sending.
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
	} // else whoever receives makes the next attempt
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == live {
		s.to.broken = true
	}
	return nil
}

// keep keeps a copy of a message and reports whether it can. With nil, headers alone are
// sent. The caller holds mu.
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

// drop lets go of what was kept, once it is sent and not to be sent again. The caller
// holds mu.
func (s *Stream[C]) drop() {
	if !s.keeping && s.to.sent == len(s.kept) {
		s.kept, s.to.sent = nil, 0
	}
}
