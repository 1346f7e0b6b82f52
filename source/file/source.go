package file

import (
	"cmp"
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

// freshFor is how often the ring reads a file without any notice (F03).
const freshFor = 5 * time.Second

// A Source reads one file, or one directory with a file a field. It is a
// [source.Notifier], safe for concurrent use, and holds no descriptor and no
// goroutine between calls.
type Source struct {
	path   string
	dir    bool
	names  pair.Names // of a directory's files
	fields []field
	decode source.Decoder
	strict bool

	turn chan struct{} // holds one token while somebody reads; guards what follows
	last reading       // the last one that was good
	set  source.Set    // what it said

	opened   func(name string) // in tests: called after each file was read
	patience time.Duration     // patience but in tests
}

// A field is one file of a reading; the name is empty where it is the only one.
type field struct {
	name, path string
	optional   bool // it may be missing
}

// An Option changes how files are read.
type Option func(*Source)

// New returns a source that reads the one file at path, relative to the working
// directory of this moment. It need not exist yet.
//
// The key's CreatedAt is the file's modification time, unless the decoder sets
// one. The ring names the version after it if it is later than that of the keys
// before, else after the time of the reading: a copy may keep the time of what
// was copied (cp -p, rsync -a), and some systems set all times to one (Nix, tar
// --mtime). It says nothing about which of two keys is newer.
func New(path string, opts ...Option) *Source {
	s := newSource(path)
	s.fields = []field{{path: s.path}}
	s.apply(opts)
	return s
}

// Dir returns a source that reads one key out of the directory dir: "api-key"
// becomes the key's ID, "api-secret" its Secret, a token or a PEM block, and
// "passphrase" its Extra["passphrase"]. The first two must exist; [WithNames]
// has other names. The key's CreatedAt is the newest file's modification time.
func Dir(dir string, opts ...Option) *Source {
	s := newSource(dir)
	s.dir = true
	WithNames("api-key", "api-secret", "passphrase")(s)
	s.apply(opts)
	return s
}

func newSource(path string) *Source {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &Source{path: path, decode: source.Plain, turn: make(chan struct{}, 1), patience: patience}
}

func (s *Source) apply(opts []Option) {
	option.Apply(s, opts)
}

// WithDecoder sets what makes keys of a file's bytes, such as [source.Document],
// [source.PEM] or source.Dotenv("EXCHANGE"). The default is [source.Plain].
// For [New]; a directory's fields have their own form.
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) {
		if decode != nil {
			s.decode = decode
		}
	}
}

// WithNames sets the names of a directory's files, for [Dir]: those of the id,
// the secret and the passphrase. An empty id or passphrase is not looked for,
// an empty secret leaves the default. Only the passphrase may be missing.
func WithNames(id, secret, passphrase string) Option {
	return func(s *Source) {
		if !s.dir {
			return
		}
		s.names = pair.Names{ID: id, Secret: cmp.Or(secret, "api-secret"), Passphrase: passphrase}
		s.fields = nil
		for _, name := range []string{s.names.ID, s.names.Secret, s.names.Passphrase} {
			if name != "" {
				s.fields = append(s.fields, field{name, filepath.Join(s.path, name), name == passphrase})
			}
		}
	}
}

// WithStrictPermissions refuses a file that its group can write or that others
// can read or write, where the default is a warning for those that somebody
// else can write. It has no effect on Windows.
func WithStrictPermissions() Option { return func(s *Source) { s.strict = true } }

// String returns the source's URL, such as "file:///run/secrets/api-key"; that of
// a directory ends in a slash.
func (s *Source) String() string {
	path := filepath.ToSlash(s.path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if s.dir {
		path = strings.TrimSuffix(path, "/") + "/"
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// Read reads the file, or the directory's files, as they are now. It returns at
// once if the content is what it was, or was replaced as a whole; else it waits
// until nobody is writing, at most 1 s.
//
// Its errors are *[source.Error] and wrap source.ErrNoKey where there is no
// file, source.ErrDenied where it may not be read, source.ErrInvalid for what is
// no key, or permissions too open, and source.ErrUnavailable for everything
// that may pass: a writer at work, a broken link, a sick file system.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	if ctx.Err() != nil {
		return source.Set{}, s.stopped(ctx)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return source.Set{}, s.stopped(ctx)
	}
	// F106: a read from NFS or FUSE can hang beyond any context. Then one goroutine,
	// one a source at most, waits for the file system.
	set, err := await.Call(ctx, func() (source.Set, error) {
		defer func() { <-s.turn }()
		return s.read(ctx)
	})
	if err != nil && err == ctx.Err() {
		err = s.stopped(ctx)
	}
	return set, err
}
