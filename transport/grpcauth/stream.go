package grpcauth

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// StreamInterceptor is a grpc.StreamClientInterceptor. It blocks like the opening of a
// stream. After a refusal the stream's methods also block while the ring waits for
// another key ([ring.WithRefusalWait]), within ctx.
func (a *Auth) StreamInterceptor(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, own, err := a.admit(ctx, cc)
	if err != nil {
		return nil, err
	}
	if own != "" {
		use := a.keys.Caller(own, a.where("metadata", cc.Target()))
		end := sync.OnceFunc(use.End)
		cs, err := streamer(ctx, desc, cc, method, append(slices.Clip(opts), grpc.OnFinish(func(error) { end() }))...)
		if err != nil {
			end()
		}
		return cs, err
	}
	c, err := a.begin(ctx, opts, !desc.ClientStreams || a.opts.Messages > 0 && a.opts.Size > 0)
	if err != nil {
		return nil, err
	}
	s := &stream{call: c}
	s.Hooks = rpc.Hooks[*attempt]{Single: !desc.ClientStreams, Copy: copied, Why: s.why, Open: func(*attempt) (*attempt, error) {
		return s.open(func(opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return streamer(ctx, desc, cc, method, opts...)
		})
	}}
	opened := false
	defer func() {
		if !opened {
			c.end() // the interceptors below panicked
		}
	}()
	first, err := s.Open(nil)
	if err != nil {
		return nil, err
	}
	s.Begin(c.Call, first)
	opened = true
	return s, nil
}

// A stream is one streaming call with its attempts, one after the other, until the
// first message arrives. One goroutine may send while another receives.
type stream struct {
	*call
	rpc.Stream[*attempt]
}

// An attempt is the gRPC stream of one attempt.
type attempt struct {
	grpc.ClientStream
	carrier *rpc.Carrier
	ended   atomic.Pointer[error] // the error that gRPC reported at the end
}

func (a *attempt) Send(m any) error    { return a.SendMsg(m) }
func (a *attempt) CloseRequest() error { return a.CloseSend() }

// open opens the stream of an attempt.
func (s *stream) open(below func(...grpc.CallOption) (grpc.ClientStream, error)) (*attempt, error) {
	a := &attempt{carrier: s.Carrier()}
	cs, err := below(s.options(grpc.OnFinish(func(err error) {
		a.ended.Store(&err)
		if !s.auth.keys.Refusal(a.carrier, err) { // else the goroutine that gets the refusal decides
			s.Ended(err)
			s.finish(s.Final(err))
		}
	}))...)
	if err != nil { // this error says nothing about the key
		err = s.Final(err)
		s.finish(err)
		return nil, err
	}
	a.ClientStream = cs
	return a, nil
}

// RecvMsg receives the next message. After the first message there is no other attempt.
func (s *stream) RecvMsg(m any) error {
	s.Receiving.Lock()
	defer s.Receiving.Unlock()
	for {
		a, err := s.Live()
		if err != nil {
			return err
		}
		if err = a.RecvMsg(m); err == nil {
			s.Settle()
			return nil
		}
		if !s.refused(a, err, true) {
			return s.last(err)
		}
	}
}

// refused calls Refused, and finishes the call if there is no other attempt.
func (s *stream) refused(a *attempt, err error, replay bool) bool {
	again := s.Refused(a, err, replay)
	if !again {
		s.finish(s.last(err))
	}
	return again
}

// last returns the error that the caller gets at the end.
func (s *stream) last(err error) error {
	if _, failed := s.Live(); failed != nil {
		return failed
	}
	return s.Final(err)
}

// Header waits for the headers of the live attempt.
func (s *stream) Header() (metadata.MD, error) {
	for {
		a, err := s.Live()
		if err != nil {
			return nil, nil // as in gRPC: RecvMsg returns the error
		}
		md, err := a.Header()
		if md != nil || err != nil {
			return md, err
		}
		end := a.ended.Load() // the attempt ended without headers
		if end == nil || !s.auth.keys.Refusal(a.carrier, *end) || !s.refused(a, *end, true) {
			return nil, nil
		}
	}
}

// Trailer returns the trailer of the live attempt.
func (s *stream) Trailer() metadata.MD {
	a, _ := s.Live()
	return a.Trailer()
}

// Context returns the context of the live attempt. It prevents further attempts, as it
// prevents gRPC's retries.
func (s *stream) Context() context.Context {
	s.Stop()
	a, _ := s.Live()
	return a.Context()
}
