package env

import (
	"context"
	"os"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// Notify watches the files that the variables name at the time of the call. If there are
// none, it calls changed once and waits for ctx. See [source.Notifier].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	var files []source.Source
	for _, v := range s.variables() {
		files = append(files, s.file(v))
	}
	if n, ok := source.First(files...).(source.Notifier); ok && len(files) > 0 {
		return n.Notify(ctx, changed)
	}
	changed()
	<-ctx.Done()
	return nil
}

// variables lists the variables that name files now.
func (s *Source) variables() []variable {
	var list []variable
	lookup := func(name string) (string, bool, error) {
		if path := os.Getenv(name + "_FILE"); path != "" {
			list = append(list, variable{name, path})
		}
		return "set", true, nil // as if every name were set: otherwise Variables skips some names
	}
	if s.pair {
		_, _ = field.Variables(s.name, lookup)
	} else {
		_, _, _ = lookup(s.name)
	}
	return list
}
