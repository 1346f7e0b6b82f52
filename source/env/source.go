package env

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

// A Source reads environment variables. It is a [source.Notifier] and safe for concurrent
// use.
type Source struct {
	name string
	pair bool

	mu    sync.Mutex
	files map[variable]*file.Source // each remembers what it read last
}

// A variable is a variable NAME_FILE with the path that it has.
type variable struct{ name, path string }

// New returns a source that reads one key from the variable name, or from the file that
// name_FILE names. The key is a PEM block, as for [source.PEM], or text in UTF-8 without control
// characters. The scheme refuses a text that it cannot send.
func New(name string) *Source { return &Source{name: name, files: make(map[variable]*file.Source)} }

// Pair returns a source that reads a key of several fields, and the previous key, from the
// variables that begin with prefix, or from the files that these name. [source.Dotenv]
// documents the names.
func Pair(prefix string) *Source {
	s := New(prefix)
	s.pair = true
	return s
}

// Read reads the variables, and the files that they name, as they are now. An error is a
// [*source.Error]. It wraps [source.ErrNoKey] if no variable is set, [source.ErrInvalid] if
// the value is no key, and else the error of package file. It is Permanent unless it is
// about a file.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	// F26: read several files until two readings in a row are equal.
	var before reading
	for range 10 {
		r := reading{ctx: ctx, source: s}
		set, err := r.set()
		if err != nil {
			return source.Set{}, s.wrap(err)
		}
		if len(r.values) < 2 || maps.EqualFunc(r.values, before.values, source.Secret.Equal) {
			r.finish(&set)
			return set, nil
		}
		before = r
	}
	return source.Set{}, s.wrap(fmt.Errorf("%w: the files changed with each reading", source.ErrUnavailable))
}

// String returns the source string, such as "env://API_KEY" or "env://EXCHANGE?pair=true".
func (s *Source) String() string {
	u := url.URL{Scheme: "env", Host: s.name}
	if s.pair {
		u.RawQuery = "pair=true"
	}
	return u.String()
}

// file returns the source for the file that v names. It returns the same source each time.
func (s *Source) file(v variable) *file.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[v] == nil {
		decode := asSecret
		if strings.HasSuffix(strings.TrimSuffix(v.name, "_PREVIOUS"), "API_PASSPHRASE") {
			decode = asPassphrase
		}
		s.files[v] = file.New(v.path, file.WithDecoder(decode))
	}
	return s.files[v]
}

func asSecret(data []byte) (source.Set, error) {
	text, err := field.Secret(data)
	if err != nil {
		return source.Set{}, err
	}
	return source.Set{Keys: []source.Key{{Secret: source.NewSecret(text)}}}, nil
}

func asPassphrase(data []byte) (source.Set, error) {
	text, err := field.Passphrase(data)
	if err != nil {
		return source.Set{}, err
	}
	return source.Set{Keys: []source.Key{pair.Key(field.Pair{Passphrase: text})}}, nil
}

// A reading is one reading of all variables.
type reading struct {
	ctx    context.Context
	source *Source

	values   map[string]source.Secret // the values from files, by variable
	newest   time.Time                // the latest modification time of the current key's files
	freshFor time.Duration
	warnings []error
}

func (r *reading) set() (source.Set, error) {
	if r.source.pair {
		return r.pair()
	}
	value, _, err := r.lookup(r.source.name)
	if err != nil {
		return source.Set{}, err
	}
	if value == "" {
		return source.Set{}, fmt.Errorf("%w: neither %s nor %[2]s_FILE is set", source.ErrNoKey, r.source.name)
	}
	return asSecret([]byte(value))
}

func (r *reading) pair() (set source.Set, err error) {
	pairs, err := field.Variables(r.source.name, r.lookup)
	if err == nil && len(pairs) == 0 {
		err = fmt.Errorf("%w: %s is not set", source.ErrNoKey, field.APIKey(r.source.name))
	}
	for _, p := range pairs {
		set.Keys = append(set.Keys, pair.Key(p))
	}
	return set, err
}

// lookup returns the value of the variable name, or the content of the file that name_FILE
// names. It reports whether one of the two variables is set.
func (r *reading) lookup(name string) (text string, set bool, err error) {
	value, set := os.LookupEnv(name)
	path, file := os.LookupEnv(name + "_FILE")
	if path == "" {
		return value, set || file, nil
	}
	if value != "" {
		return "", true, fmt.Errorf("%w: both %s and %[2]s_FILE are set: unset one of them", source.ErrInvalid, name)
	}
	read, err := r.source.file(variable{name, path}).Read(r.ctx)
	if err != nil {
		return "", true, err
	}
	key := read.Keys[0]
	if r.values == nil {
		r.values = make(map[string]source.Secret)
	}
	if r.values[name] = key.Secret; key.Secret.IsZero() {
		r.values[name] = key.Extra["passphrase"]
	}
	if key.CreatedAt.After(r.newest) && !strings.HasSuffix(name, "_PREVIOUS") {
		r.newest = key.CreatedAt
	}
	r.freshFor = read.FreshFor
	r.warnings = append(r.warnings, read.Warnings...)
	return r.values[name].Expose(), true, nil
}

// finish adds the times and warnings of the files to set.
func (r *reading) finish(set *source.Set) {
	set.FreshFor, set.Warnings = r.freshFor, r.warnings
	set.Keys[0].CreatedAt = r.newest
}
