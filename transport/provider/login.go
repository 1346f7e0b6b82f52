package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Login is one login of one connection with one key: see [Profile.Session].
type Login struct {
	session *session
	key     source.Key
	version string
	ctx     context.Context // of connect
	cancel  context.CancelFunc
	in      chan struct{} // closed when the connection is logged in
	done    chan struct{} // closed when connect has returned

	mu      sync.Mutex
	attempt *ring.Attempt // nil once its outcome is known, or connect has returned
	begun   bool          // Do was called
	waits   bool          // the message was sent, and its answer has not come
	verdict transport.Verdict
	since   time.Time // of the login; zero if it did not succeed
	unpin   func()
}

// Version returns the version of the key.
func (l *Login) Version() string { return l.version }

// Do logs in: it writes the message of the profile's Login, and reads messages until the
// profile's LoginVerdict knows the answer. The message is a credential: write should only
// send it. Messages before the answer are dropped, such as a greeting. Do returns an error
// of write or read as it is. Its own error says why the API refused the login. After any
// error connect should return, and Session makes another connection. A second call is an
// error. Do blocks as write and read do; the context of connect ends 30 s after it began
// if it is not logged in by then.
func (l *Login) Do(write func(message []byte) error, read func() ([]byte, error)) error {
	if l.session == nil || write == nil || read == nil { // F179
		return errors.New("provider: a Login is what Session gives to connect, and Do needs a function to write and one to read")
	}
	p := &l.session.profile
	l.mu.Lock()
	begun := l.begun
	l.begun = true
	l.mu.Unlock()
	if begun {
		return fmt.Errorf("provider: %s: a connection logs in once", p.Name)
	}
	message, err := p.Login(l.key)
	if err != nil {
		return err
	}
	if err := write(message); err != nil {
		return err
	}
	l.mu.Lock()
	l.waits = true
	l.mu.Unlock()
	for {
		answer, err := read()
		if err != nil {
			return err
		}
		if v, ok := p.LoginVerdict(answer); ok {
			return l.judge(v)
		}
	}
}

// judge tells the ring and the session what the API answered.
func (l *Login) judge(v transport.Verdict) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.session.profile.Name
	if l.attempt == nil {
		return fmt.Errorf("provider: %s: the answer to the login came too late", name)
	}
	l.verdict, l.waits = v, false
	if v == transport.Passed {
		l.unpin = l.session.keys.Pin(l.key)
		l.attempt.Accepted()
		l.attempt, l.since = nil, time.Now()
		close(l.in)
		return nil
	}
	defer l.cancel()
	why := "for another reason than the key"
	switch v {
	case transport.Refused, transport.RefusedUnapplied:
		why = "because of the key"
	case transport.Ambiguous:
		why = "because of the key, the client's address or a permission"
	case transport.ClockSkew:
		why = "because of its time: check the clock"
	}
	return fmt.Errorf("provider: %s: the API refused the login with version %q %s", name, l.version, why)
}

// outcome returns the verdict so far, and whether the connection was logged in.
func (l *Login) outcome() (v transport.Verdict, in bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.verdict, !l.since.IsZero()
}

// unanswered reports whether the API has not answered the login that it got.
func (l *Login) unanswered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits
}

// release ends the use of the key.
func (l *Login) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempt = nil
	if l.unpin != nil {
		l.unpin()
	}
}

// FailedLogin is the result of a LoginVerdict for a login that failed: the classifier's
// verdict, as if body were the answer to a request, with that status. What the classifier
// lets pass is not about the key, and is Inconclusive.
func FailedLogin(c transport.Classifier, status int, body []byte) (transport.Verdict, bool) {
	if v := c(transport.NewAnswer(status, nil, body)); v != transport.Passed {
		return v, true
	}
	return transport.Inconclusive, true
}
