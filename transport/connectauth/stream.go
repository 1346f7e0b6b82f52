package connectauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// WrapStreamingClient makes streams fall back until their first message has come.
// Their methods block as they do without, and after a refusal for as long as the
// ring waits for another key ([ring.WithRefusalWait]), within the context.
func (a *Auth) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		s := &stream{auth: a, ctx: ctx, spec: spec, keeping: true}
		s.open = func(c *carrier) *attempt {
			return &attempt{StreamingClientConn: next(withCarrier(ctx, c), spec), carrier: c}
		}
		// The caller sets headers before it sends. The key comes then.
		s.live = s.open(&carrier{auth: a})
		s.first = s.live.StreamingClientConn
		s.fresh = s.first.RequestHeader().Clone()
		return s
	}
}

// A stream is one streaming call: its attempts, one after the other, until the
// first message has come. One goroutine may send while another receives.
type stream struct {
	auth  *Auth
	ctx   context.Context
	spec  connect.Spec
	open  func(*carrier) *attempt
	first connect.StreamingClientConn
	fresh http.Header // of a request, before the caller has set any

	sending   sync.Mutex // held by who sends
	receiving sync.Mutex // held by who receives; taken after sending
	settled   bool       // a message came; guarded by receiving

	mu      sync.Mutex // guards the rest; taken last. Nothing is sent under it, nor received
	call    *call      // nil: not begun, or the caller's own credential
	begun   bool
	own     http.Header // what the caller has set
	end     func()      // tells the ring that it is over; nil: not begun
	release func() bool // the watching of ctx
	live    *attempt
	kept    []any // messages of the caller, as long as they may have to be sent
	size    int   // of them, in bytes
	keeping bool  // the stream can be made again
	closed  bool  // by CloseRequest
	err     error // there is no stream, for this reason
}

// An attempt is one stream below. What guards stream guards it.
type attempt struct {
	connect.StreamingClientConn
	carrier *carrier
	sent    int           // of what is kept
	closed  bool          // the end was sent
	broken  bool          // it takes no more messages
	ahead   proto.Message // received before the caller has asked; guarded by receiving
	over    error         // the end, likewise
}

// begin begins the call, with what is sent first.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return s.err
	}
	s.begun = true
	header := s.first.RequestHeader()
	own, err := s.auth.admit(header)
	if err != nil {
		s.keeping, s.err = false, err
		return err
	}
	if own != "" {
		s.keeping = false
		use := s.auth.caller(own)
		s.end = sync.OnceFunc(use.End)
		s.release = context.AfterFunc(s.ctx, s.end)
		return nil
	}
	client := s.spec.StreamType&connect.StreamTypeClient != 0
	s.call, s.err = s.auth.begin(s.ctx, !client || s.auth.opts.messages > 0 && s.auth.opts.size > 0)
	if s.err != nil {
		s.keeping = false
		return s.err
	}
	s.live.carrier.value = s.call.carries.value
	s.call.carries = s.live.carrier
	s.end = s.call.end
	s.release = context.AfterFunc(s.ctx, s.end) // who leaves a stream ends its context
	s.own = make(http.Header)
	for name, values := range header {
		if !slices.Equal(values, s.fresh[name]) {
			s.own[name] = slices.Clone(values)
		}
	}
	return nil
}

// Receive receives the next message. The first one ends the falling back.
func (s *stream) Receive(m any) error {
	if err := s.begin(); err != nil {
		return err
	}
	s.receiving.Lock()
	defer s.receiving.Unlock()
	for {
		a := s.now()
		err := a.receive(m)
		if err == nil {
			s.settle()
			return nil
		}
		if !s.refused(a, err, true) {
			s.release()
			if s.call == nil {
				s.end()
				return err
			}
			return s.call.final(err)
		}
	}
}

// receive receives the next message, or what was received ahead.
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
		err = proto.Unmarshal(data, m.(proto.Message)) // the schema says that it is one
	}
	return err
}

func (s *stream) now() *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// settle notes that a message came. The caller holds receiving.
func (s *stream) settle() {
	if s.settled {
		return
	}
	s.settled = true
	if s.call != nil {
		s.call.passed(nil, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = false
	s.drop()
}

// refused tells the ring what err, with which a ended, says of the key, and
// reports whether there is another attempt. replay says that it is to be sent what
// is kept, beside the caller's receiving. The caller holds receiving.
func (s *stream) refused(a *attempt, err error, replay bool) bool {
	if s.call == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.keeping || !s.call.again(err) {
		s.keeping = false
		if v := a.carrier.judge(err); refusal(v) {
			s.call.refuse(v)
		} else {
			s.call.passed(err, v)
		}
		return false
	}
	_ = a.CloseRequest() // whatever they say, it is over
	_ = a.CloseResponse()
	s.live = s.open(s.call.carrier())
	header := s.live.RequestHeader()
	for name, values := range s.own {
		header[name] = slices.Clone(values)
	}
	if replay {
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

// CloseResponse ends the stream.
func (s *stream) CloseResponse() error {
	s.mu.Lock()
	a, failed, end := s.live, s.err != nil, s.end
	s.keeping = false
	s.mu.Unlock()
	if failed {
		return nil
	}
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

// ResponseHeader returns the live attempt's.
func (s *stream) ResponseHeader() http.Header {
	if a := s.asked(); a != nil {
		return a.ResponseHeader()
	}
	return make(http.Header)
}

// ResponseTrailer returns the live attempt's.
func (s *stream) ResponseTrailer() http.Header {
	if a := s.asked(); a != nil {
		return a.ResponseTrailer()
	}
	return make(http.Header)
}

// asked returns the live attempt, or nil where there was no request, for whose answer
// Connect would wait.
func (s *stream) asked() *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil
	}
	return s.live
}

// eof reports whether err says that a stream takes no more messages.
func eof(err error) bool { return errors.Is(err, io.EOF) }
