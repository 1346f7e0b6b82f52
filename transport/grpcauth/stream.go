package grpcauth

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// StreamInterceptor is a grpc.StreamClientInterceptor. It blocks as the opening of a
// stream does; the stream's methods block, after a refusal, for as long as the ring
// waits for another key ([ring.WithRefusalWait]), within ctx.
func (a *Auth) StreamInterceptor(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, own, err := a.admit(ctx, cc)
	if err != nil {
		return nil, err
	}
	if own != "" {
		use := a.caller(own, inMetadata)
		end := sync.OnceFunc(use.End)
		cs, err := streamer(ctx, desc, cc, method, append(slices.Clip(opts), grpc.OnFinish(func(error) { end() }))...)
		if err != nil {
			end()
		}
		return cs, err
	}
	c, err := a.begin(ctx, opts, !desc.ClientStreams || a.opts.messages > 0 && a.opts.size > 0)
	if err != nil {
		return nil, err
	}
	s := &stream{call: c, single: !desc.ClientStreams, keeping: true, open: func(opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return streamer(ctx, desc, cc, method, opts...)
	}}
	opened := false
	defer func() {
		if !opened {
			c.end() // a panic below
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(); err != nil {
		return nil, err
	}
	opened = true
	return s, nil
}

// A stream is one streaming call: its attempts, one after the other, until the
// first message has come. One goroutine may send while another receives.
type stream struct {
	*call
	open    func(...grpc.CallOption) (grpc.ClientStream, error)
	single  bool        // the caller sends one message
	settled atomic.Bool // a message came

	sending   sync.Mutex // held by who sends
	receiving sync.Mutex // held by who waits for what comes; taken after sending

	mu      sync.Mutex // guards the rest; taken last. Nothing is sent under it, nor received
	live    *attempt
	kept    []any // messages of the caller, as long as they may have to be sent
	size    int   // of them, in bytes
	keeping bool  // the stream can be made again
	closed  bool  // by CloseSend
	err     error // the stream could not be made again for another reason than the refusal
}

// An attempt is one stream below. What guards stream guards it.
type attempt struct {
	grpc.ClientStream
	cred   *credential
	sent   int                   // of what is kept
	closed bool                  // the end was sent
	broken bool                  // it takes no more messages
	ended  atomic.Pointer[error] // what gRPC told at the end
}

// begin opens the stream of an attempt. The caller holds mu.
func (s *stream) begin() error {
	a := &attempt{cred: s.credential()}
	cs, err := s.open(s.options(grpc.OnFinish(func(err error) {
		a.ended.Store(&err)
		if v := a.cred.judge(err); !refusal(v) { // else who gets the refusal decides
			s.passed(err, v)
			s.finish(s.final(err))
		}
	}))...)
	if err != nil {
		s.passed(err, s.judge(err))
		s.keeping, s.err = false, s.final(err)
		s.finish(s.err)
		return s.err
	}
	a.ClientStream = cs
	s.live = a
	return nil
}

// RecvMsg receives the next message. The first one ends the falling back.
func (s *stream) RecvMsg(m any) error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	for {
		a, err := s.now()
		if err != nil {
			return err
		}
		if err = a.RecvMsg(m); err == nil {
			s.settle()
			return nil
		}
		if !s.refused(a, err, true) {
			return s.last(err)
		}
	}
}

// now returns the attempt that is live, or why there is none.
func (s *stream) now() (*attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live, s.err
}

// last is what the caller gets at the end.
func (s *stream) last(err error) error {
	if _, failed := s.now(); failed != nil {
		return failed
	}
	return s.final(err)
}

// settle notes that a message came.
func (s *stream) settle() {
	if s.settled.Swap(true) {
		return
	}
	s.passed(nil, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = false
	s.drop()
}

// refused tells the ring what err, with which a ended, says of the key, and
// reports whether there is another attempt. replay says that it is to be sent what
// is kept, beside the caller's receiving.
func (s *stream) refused(a *attempt, err error, replay bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != a {
		return true // there is one already
	}
	if !s.keeping || !s.again(err) {
		s.keeping = false
		if v := s.judge(err); refusal(v) {
			s.refuse(v)
		} else {
			s.passed(err, v)
		}
		s.finish(s.final(err))
		return false
	}
	if s.begin() != nil {
		return false
	}
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

// Header waits for the headers of the live attempt.
func (s *stream) Header() (metadata.MD, error) {
	for {
		a, err := s.now()
		if err != nil {
			return nil, nil // as gRPC does: RecvMsg tells
		}
		md, err := a.Header()
		if md != nil || err != nil {
			return md, err
		}
		end := a.ended.Load() // without headers
		if end == nil || !refusal(a.cred.judge(*end)) || !s.refused(a, *end, true) {
			return nil, nil
		}
	}
}

// Trailer returns the live attempt's.
func (s *stream) Trailer() metadata.MD {
	a, _ := s.now()
	return a.Trailer()
}

// Context returns the live attempt's, and ends the falling back, as it ends gRPC's retries.
func (s *stream) Context() context.Context {
	s.mu.Lock()
	s.keeping = false
	s.drop()
	a := s.live
	s.mu.Unlock()
	return a.Context()
}
