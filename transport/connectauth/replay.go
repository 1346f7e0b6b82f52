package connectauth

import (
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Send sends a message. If m is nil, it sends only the headers.
func (s *stream) Send(m any) error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.messages.Send(m)
}

// CloseRequest ends the caller's messages.
func (s *stream) CloseRequest() error {
	if s.begin() != nil {
		return nil // there is no request
	}
	return s.messages.CloseRequest()
}

// why returns how an attempt that takes no more messages has ended. Only receiving can
// find out. If a message arrives instead, why keeps it for the caller.
func (s *stream) why(a *attempt) (again, known bool) {
	m := s.answer()
	if live, _ := s.messages.Live(); m == nil || live != a {
		return false, false
	}
	err := a.Receive(m)
	switch {
	case err == nil:
		a.ahead = m
		s.messages.Settle()
	case s.messages.Refused(a, err, false):
		return true, true
	default:
		a.over = err
	}
	return false, true
}

// answer returns an empty message of the type that the call receives, or nil if the
// type is not known.
func (s *stream) answer() proto.Message {
	method, ok := s.spec.Schema.(protoreflect.MethodDescriptor)
	if !ok || s.spec.StreamType == connect.StreamTypeUnary {
		return nil
	}
	return dynamicpb.NewMessage(method.Output())
}

func copied(m any) (any, int, bool) {
	p, ok := m.(proto.Message)
	if !ok {
		return nil, 0, false
	}
	return proto.Clone(p), proto.Size(p), true
}
