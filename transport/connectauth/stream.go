package connectauth

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// WrapStreamingClient makes streams fall back until their first message arrives. Their
// methods block as without it. After a refusal they also block while the ring waits for
// another key ([ring.WithRefusalWait]), within the context.
func (a *Auth) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		s := &stream{auth: a, ctx: ctx, spec: spec, carrier: &rpc.Carrier{}}
		s.messages.Hooks = rpc.Hooks[*attempt]{Single: spec.StreamType&connect.StreamTypeClient == 0, Copy: copied, Why: s.why,
			Open: func(refused *attempt) (*attempt, error) {
				_ = refused.CloseRequest() // errors do not matter: the attempt is over
				_ = refused.CloseResponse()
				a := s.open(next, s.call.Carrier())
				maps.Copy(a.RequestHeader(), s.own.Clone())
				return a, nil
			}}
		// The caller may set headers until it sends, so the key is chosen then.
		first := s.open(next, s.carrier)
		s.messages.Begin(nil, first)
		s.first = first.StreamingClientConn
		s.fresh = s.first.RequestHeader().Clone()
		return s
	}
}

// A stream is one streaming call with its attempts, one after the other, until the
// first message arrives. One goroutine may send while another receives.
type stream struct {
	auth     *Auth
	ctx      context.Context
	spec     connect.Spec
	first    connect.StreamingClientConn
	carrier  *rpc.Carrier // the carrier of first
	fresh    http.Header  // the headers of a request before the caller sets any
	messages rpc.Stream[*attempt]

	mu      sync.Mutex // guards the rest
	begun   bool
	err     error       // why there is no request
	call    *rpc.Call   // nil: not begun, or the call has the caller's own credential
	own     http.Header // the headers that the caller has set
	end     func()      // reports the end to the ring; nil: not begun
	release func() bool // stops watching ctx
}

// An attempt is the Connect stream of one attempt.
type attempt struct {
	connect.StreamingClientConn
	ahead proto.Message // a message that was received before the caller asked for it; guarded by messages.Receiving
	over  error         // the end, if it was received before; guarded likewise
}

// open opens the stream of an attempt.
func (s *stream) open(next connect.StreamingClientFunc, on *rpc.Carrier) *attempt {
	return &attempt{StreamingClientConn: next(s.auth.withCarrier(s.ctx, on), s.spec)}
}

// begin begins the call when something is sent or received first.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return s.err
	}
	s.begun = true
	header := s.first.RequestHeader()
	own, err := s.auth.admit(header, s.first.Peer())
	if err != nil {
		s.err = err
		return err
	}
	if own != "" {
		use := s.auth.keys.Caller(own, s.auth.where(s.first.Peer()))
		s.end = sync.OnceFunc(use.End)
		s.release = context.AfterFunc(s.ctx, s.end)
		return nil
	}
	client := s.spec.StreamType&connect.StreamTypeClient != 0
	s.call, s.err = s.auth.keys.Begin(s.ctx, s.carrier, !client || s.auth.opts.Messages > 0 && s.auth.opts.Size > 0)
	if s.err != nil {
		return s.err
	}
	s.end = s.call.End
	s.release = context.AfterFunc(s.ctx, s.end) // a caller abandons a stream by ending its context
	s.own = make(http.Header)
	for name, values := range header {
		if !slices.Equal(values, s.fresh[name]) {
			s.own[name] = slices.Clone(values)
		}
	}
	first, _ := s.messages.Live()
	s.messages.Begin(s.call, first)
	return nil
}

// Receive receives the next message. After the first message there is no other attempt.
func (s *stream) Receive(m any) error {
	if err := s.begin(); err != nil {
		return err
	}
	s.messages.Receiving.Lock()
	defer s.messages.Receiving.Unlock()
	for {
		a, _ := s.messages.Live()
		err := a.receive(m)
		switch {
		case err == nil:
			s.messages.Settle()
			return nil
		case s.call == nil:
			s.release()
			s.end()
			return err
		case !s.messages.Refused(a, err, true):
			s.release()
			return final(s.call, err)
		}
	}
}

// receive returns the message that was received ahead, if there is one; else it
// receives the next.
func (a *attempt) receive(m any) error {
	if a.over != nil {
		return a.over
	}
	ahead := a.ahead
	if ahead == nil {
		return a.Receive(m)
	}
	a.ahead = nil
	data, err := proto.Marshal(ahead)
	if err == nil {
		err = proto.Unmarshal(data, m.(proto.Message)) // by the schema it is a proto.Message
	}
	return err
}

// CloseResponse ends the stream.
func (s *stream) CloseResponse() error {
	s.mu.Lock()
	failed, end := s.err != nil, s.end
	s.mu.Unlock()
	if failed {
		return nil
	}
	s.messages.Stop()
	a, _ := s.messages.Live()
	err := a.CloseResponse()
	if end != nil {
		end()
		s.release()
	}
	return err
}

// Spec describes the call.
func (s *stream) Spec() connect.Spec { return s.first.Spec() }

// Peer describes the server.
func (s *stream) Peer() connect.Peer { return s.first.Peer() }

// RequestHeader returns the headers that the caller may set until it sends.
func (s *stream) RequestHeader() http.Header { return s.first.RequestHeader() }

// ResponseHeader returns the headers of the live attempt.
func (s *stream) ResponseHeader() http.Header {
	if a := s.asked(); a != nil {
		return a.ResponseHeader()
	}
	return make(http.Header)
}

// ResponseTrailer returns the trailers of the live attempt.
func (s *stream) ResponseTrailer() http.Header {
	if a := s.asked(); a != nil {
		return a.ResponseTrailer()
	}
	return make(http.Header)
}

// asked returns the live attempt. It returns nil if there was no request, because
// Connect would wait for an answer.
func (s *stream) asked() *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil
	}
	a, _ := s.messages.Live()
	return a
}
