package soak_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// A sweep searches what the library prints for secrets, all of which begin with
// the sentinel (F95).
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

// Write is for a logger's handler.
func (s *sweep) Write(p []byte) (int, error) {
	s.look(string(p))
	return len(p), nil
}

// judge ends the clients, looks at what they are, and says what was found.
func (s *sweep) judge(tracks []*track) {
	s.t.Helper()
	for _, k := range tracks {
		status := k.client.Status()
		data, err := json.Marshal(status)
		if err != nil {
			s.t.Error(err)
		}
		s.look(string(data))
		_ = k.client.Close() // what is printed by reflection must hold still
		s.look(fmt.Sprintf("%+v %#v %+v %#v", status, status, k.client.Ring(), k.client.Transport()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaks > 0 || s.texts < 10 {
		s.t.Errorf("%d of %d texts hold a secret", s.leaks, s.texts)
	}
	s.t.Logf("%d log lines, events, errors and states searched for secrets", s.texts)
}
