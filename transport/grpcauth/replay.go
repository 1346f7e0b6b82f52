package grpcauth

import (
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// SendMsg sends a message. While the stream can be made again, it sends and keeps a
// copy.
func (s *stream) SendMsg(m any) error {
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
	a, err := s.now() // the last there is
	if err != nil {
		return io.EOF
	}
	return a.SendMsg(m)
}

// CloseSend says that no more messages follow.
func (s *stream) CloseSend() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.catchUp() // as gRPC does: RecvMsg tells
	return nil
}

// catchUp sends the live attempt what it has not had of what is kept. io.EOF says
// that the stream is over; RecvMsg tells why. The caller holds sending.
func (s *stream) catchUp() error {
	for {
		a, m, over := s.next()
		switch {
		case over:
			return io.EOF
		case a == nil:
			return nil
		case m == nil:
			_ = a.CloseSend() // never an error
			continue
		}
		err := a.SendMsg(m)
		if err == io.EOF {
			err = s.revive(a)
		}
		if err != nil {
			return err
		}
	}
}

// next returns what the live attempt is to send: a message, or with nil the end; no
// attempt where it has had everything, or takes nothing until whoever receives has
// made another.
func (s *stream) next() (a *attempt, m any, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = s.live
	switch {
	case a.broken:
		return nil, nil, !s.keeping
	case a.sent < len(s.kept):
		a.sent++
		return a, s.kept[a.sent-1], false
	case s.closed && !a.closed:
		a.closed = true
		return a, nil, false
	}
	s.drop()
	return nil, nil, false
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
		// Without headers, gRPC knows the status now. With them, only RecvMsg tells
		// it: a message may come before.
		if md, _ := a.Header(); md == nil {
			if end := a.ended.Load(); end != nil {
				if refusal(a.cred.judge(*end)) && s.refused(a, *end, false) {
					return nil
				}
				return io.EOF
			}
		}
	} // else who is receiving makes the next attempt
	s.mu.Lock()
	a.broken = true
	s.mu.Unlock()
	return nil
}

// keep keeps a copy of a message, for the caller may change it when it is sent, and
// reports whether it can. The caller holds mu.
func (s *stream) keep(m any) bool {
	v2, modern := m.(proto.Message)
	if v1, ok := m.(protoadapt.MessageV1); ok && !modern {
		v2 = protoadapt.MessageV2Of(v1)
	}
	if v2 == nil {
		return false
	}
	size := proto.Size(v2)
	if !s.single && (len(s.kept) >= s.auth.opts.messages || s.size+size > s.auth.opts.size) {
		return false
	}
	s.size += size
	v2 = proto.Clone(v2)
	if modern {
		s.kept = append(s.kept, v2)
	} else {
		s.kept = append(s.kept, protoadapt.MessageV1Of(v2))
	}
	return true
}

// drop lets go of what was kept, once it is sent and not to be sent again. The
// caller holds mu.
func (s *stream) drop() {
	if !s.keeping && s.live.sent == len(s.kept) {
		s.kept, s.live.sent = nil, 0
	}
}
