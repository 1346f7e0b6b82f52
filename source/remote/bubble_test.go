package remote

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// Tests of time run in a synctest bubble with a network in memory.

const memoryURL = "http://127.0.0.1/keys"

func newInMemory(t *testing.T, h http.HandlerFunc, opts ...Option) *Source {
	t.Helper()
	s, err := New(memoryURL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.transport.DialContext = l.dial
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		s.CloseIdleConnections()
		_ = srv.Shutdown(context.Background()) // waits for the handlers
		<-done
	})
	return s
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func document(version string) string {
	return `{"keys":[{"version":"` + version + `","secret":"s-` + version + `"}]}`
}

// answer writes a key document with the given version, which is also its ETag.
func answer(w http.ResponseWriter, version string) {
	w.Header().Set("ETag", `"`+version+`"`)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(document(version)))
}

func isUnavailable(err error) bool { return errors.Is(err, source.ErrUnavailable) }
