package connectauth

import (
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Send sends a message, or with nil the headers. While the stream can be made
// again, it sends and keeps a copy.
func (s *stream) Send(m any) error {
	if err := s.begin(); err != nil {
		return err
	}
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
	return s.now().Send(m) // the last attempt there is
}

// CloseRequest says that no more messages follow.
func (s *stream) CloseRequest() error {
	if s.begin() != nil {
		return nil // there is no request
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if err := s.catchUp(); !eof(err) {
		return err
	}
	return nil // Receive tells
}

// catchUp sends the live attempt what it has not had of what is kept. io.EOF says
// that the stream is over; Receive tells why. The caller holds sending.
func (s *stream) catchUp() error {
	for {
		a, m, what := s.next()
		switch what {
		case nothing:
			return nil
		case over:
			return io.EOF
		case end:
			if err := a.CloseRequest(); err != nil {
				return err
			}
			continue
		}
		err := a.Send(m)
		if eof(err) {
			err = s.revive(a)
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

func (s *stream) next() (a *attempt, m any, what step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = s.live
	switch {
	case a.broken && s.keeping:
		return a, nil, nothing
	case a.broken:
		return a, nil, over
	case a.sent < len(s.kept):
		a.sent++
		return a, s.kept[a.sent-1], message
	case s.closed && !a.closed:
		a.closed = true
		return a, nil, end
	}
	s.drop()
	return a, nil, nothing
}

// revive is called when a takes no more messages. If that is for a refusal, it makes
// another attempt. io.EOF says that the stream is over. The caller holds sending.
func (s *stream) revive(a *attempt) error {
	s.mu.Lock()
	live, keeping := s.live, s.keeping
	s.mu.Unlock()
	switch {
	case live != a:
		return nil
	case !keeping:
		return io.EOF
	}
	if s.receiving.TryLock() {
		defer s.receiving.Unlock()
		// Why, only receiving tells. A message that comes instead is kept for the
		// caller.
		if m := s.answer(); m != nil && s.now() == a {
			err := a.Receive(m)
			switch {
			case err == nil:
				a.ahead = m
				s.settle()
			case s.refused(a, err, false):
				return nil
			default:
				a.over = err
			}
			return io.EOF
		}
	} // else who is receiving makes the next attempt
	s.mu.Lock()
	a.broken = true
	s.mu.Unlock()
	return nil
}

// answer makes an empty message of the kind that the call receives; nil where that is
// not known.
func (s *stream) answer() proto.Message {
	method, ok := s.spec.Schema.(protoreflect.MethodDescriptor)
	if !ok || s.spec.StreamType == connect.StreamTypeUnary {
		return nil
	}
	return dynamicpb.NewMessage(method.Output())
}

// keep keeps a copy of a message, for the caller may change it when it is sent, and
// reports whether it can. The caller holds mu.
func (s *stream) keep(m any) bool {
	if m == nil {
		s.kept = append(s.kept, nil)
		return true
	}
	p, ok := m.(proto.Message)
	if !ok {
		return false
	}
	size, client := proto.Size(p), s.spec.StreamType&connect.StreamTypeClient != 0
	if client && (len(s.kept) >= s.auth.opts.messages || s.size+size > s.auth.opts.size) {
		return false
	}
	s.size += size
	s.kept = append(s.kept, proto.Clone(p))
	return true
}

// drop lets go of what was kept, once it is sent and not to be sent again. The
// caller holds mu.
func (s *stream) drop() {
	if !s.keeping && s.live.sent == len(s.kept) {
		s.kept, s.live.sent = nil, 0
	}
}
