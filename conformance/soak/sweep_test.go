package soak_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// A sweep searches the output of the library for secrets, which all begin with the
// sentinel (F95).
type sweep struct {
	t     *testing.T
	mu    sync.Mutex
	texts int
	leaks int
}

func (s *sweep) look(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts++
	if strings.Contains(text, mockapi.Sentinel) {
		s.leaks++
	}
}

// Write searches the output of a log handler.
func (s *sweep) Write(p []byte) (int, error) {
	s.look(string(p))
	return len(p), nil
}

// judge closes the clients, searches their printed state too, and returns how many texts
// contained a secret.
func (s *sweep) judge(tracks []*track) (leaks int) {
	s.t.Helper()
	for _, k := range tracks {
		status := k.client.Status()
		data, err := json.Marshal(status)
		if err != nil {
			s.t.Error(err)
		}
		s.look(string(data))
		_ = k.client.Close() // before fmt reads the fields, without locks
		s.look(fmt.Sprintf("%+v %#v %+v %#v", status, status, k.client.Ring(), k.client.Transport()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaks > 0 || s.texts < 10 {
		s.t.Errorf("%d of %d texts contain a secret; want none, of at least 10 texts", s.leaks, s.texts)
	}
	s.t.Logf("searched %d log lines, events, errors and statuses for secrets", s.texts)
	return s.leaks
}
