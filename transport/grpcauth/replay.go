package grpcauth

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// SendMsg sends a message.
func (s *stream) SendMsg(m any) error { return s.Send(m) }

// CloseSend ends the caller's messages.
func (s *stream) CloseSend() error {
	_ = s.CloseRequest() // as in gRPC: RecvMsg returns the error
	return nil
}

// why returns how an attempt that takes no more messages has ended. If there were no
// headers, gRPC knows the status already. Otherwise only RecvMsg can return it, because
// a message may come before it.
func (s *stream) why(a *attempt) (again, known bool) {
	if md, _ := a.Header(); md != nil {
		return false, false
	}
	end := a.ended.Load()
	if end == nil {
		return false, false
	}
	return s.auth.keys.Refusal(a.carrier, *end) && s.refused(a, *end, false), true
}

// copied copies a protobuf message of the old or the new API.
func copied(m any) (any, int, bool) {
	v2, modern := m.(proto.Message)
	if v1, ok := m.(protoadapt.MessageV1); ok && !modern {
		v2 = protoadapt.MessageV2Of(v1)
	}
	if v2 == nil {
		return nil, 0, false
	}
	size := proto.Size(v2)
	v2 = proto.Clone(v2)
	if modern {
		return v2, size, true
	}
	return protoadapt.MessageV1Of(v2), size, true
}
