package drill

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// A Service is the part of a service that checks keys, which it identifies by their
// versions, and keeps the texts that calls write. Set guards its fields.
type Service struct {
	Checker
	Stored  map[string]string // the texts by name
	Applied int               // calls that wrote a text
}

// Write stores a text under a name.
func (s *Service) Write(name, text string) {
	s.Set(func() {
		s.Applied++
		if s.Stored == nil {
			s.Stored = make(map[string]string)
		}
		s.Stored[name] = text
	})
}

// A Write is a call that writes a text under a name.
type Write func(ctx context.Context, name, text string) error

// Make makes one call, and checks that the whole text is stored.
func (s *Service) Make(ctx context.Context, call Write, name string) error {
	text := strings.Repeat(name+" is what is written here.\n", 500)
	if err := call(ctx, name, text); err != nil {
		return err
	}
	var got string
	s.Set(func() { got = s.Stored[name] })
	if got != text {
		return fmt.Errorf("%d bytes are stored, other than what was written", len(got))
	}
	return nil
}

// Load starts a Load of these calls, each of which [Service.Make] checks.
func (s *Service) Load(t testing.TB, calls map[string]Write) *Load {
	named := make(map[string]func(string) error)
	for kind, call := range calls {
		named[kind] = func(name string) error { return s.Make(t.Context(), call, name) }
	}
	return Start(t, named)
}
