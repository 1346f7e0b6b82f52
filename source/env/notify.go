package env

import (
	"context"
	"os"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// Notify watches the files that the variables name when it is called. Where
// there are none it merely waits for ctx.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	var files []source.Source
	for _, path := range s.paths() {
		files = append(files, s.file(path))
	}
	if n, ok := source.First(files...).(source.Notifier); ok && len(files) > 0 {
		return n.Notify(ctx, changed)
	}
	changed()
	<-ctx.Done()
	return nil
}

// paths lists the files that variables name now.
func (s *Source) paths() []string {
	var paths []string
	lookup := func(name string) (string, bool, error) {
		if path := os.Getenv(name + "_FILE"); path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		return "set", true, nil // so that no name is left out for want of another
	}
	if s.pair {
		_, _ = field.Variables(s.name, lookup)
	} else {
		_, _, _ = lookup(s.name)
	}
	return paths
}
