package file

import (
	"cmp"
	"context"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

// The files of a directory that are about its key.
const (
	versionFile = "version"
	expiryFile  = "expires-at"
)

// freshFor is how often the ring reads a file without a notification (F03).
const freshFor = 5 * time.Second

// A Source reads one file, or one directory with a file for each field. It is a
// [source.Notifier] and safe for concurrent use. Between calls it has no open descriptor and
// no goroutine.
type Source struct {
	path   string
	dir    bool
	names  pair.Names // of a directory's files
	fields []field
	decode source.Decoder
	strict bool

	turn chan struct{} // a lock for the next three fields: it has a token while a reading is going on
	last reading       // the last successful reading
	set  source.Set    // the set of last
	seen history       // what was read since then

	opened   func(name string) // for tests: called after each file was read
	patience time.Duration     // the constant patience, except in tests
}

// A field is one file of a source. The name is empty for a source of a single file.
type field struct {
	name, path string
	optional   bool // the file may be missing
	about      bool // the file is about the key, and not a part of it
}

// An Option changes how [New] and [Dir] read files. A nil Option is ignored.
type Option func(*Source)

// New returns a source that reads the file at path. A relative path is resolved at the time
// of the call. The file need not exist yet.
//
// The key's CreatedAt is the file's modification time, unless the decoder sets it. The ring
// names the version after CreatedAt if that is later than the CreatedAt of all earlier keys,
// and else after the time of the reading. The modification time does not say which of two
// keys is newer: a copy may keep the time of the original (cp -p, rsync -a), and some tools
// give all files the same time (Nix, tar --mtime).
func New(path string, opts ...Option) *Source {
	s := newSource(path)
	s.fields = []field{{path: s.path}}
	s.apply(opts)
	return s
}

// Dir returns a source that reads one key from the files in the directory dir. The file
// "api-key" has the key's ID, "api-secret" its Secret, and "passphrase" its
// Extra["passphrase"]. The first two files must exist. Each is text in UTF-8 without control
// characters; the secret may also be a PEM block, as for [source.PEM]. [WithNames] sets other
// names. The key's CreatedAt is the latest modification time of these files.
//
// Two more files may exist: "version" has the name of the key's version, such as v7, and
// "expires-at" its ExpiresAt in the format of RFC 3339, such as 2026-12-31T00:00:00Z, or in
// another one that [source.Document] accepts. With them, all processes know the version by the same name, and the ring announces the end
// of the key. Replace "version" together with the key.
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

// WithDecoder sets the decoder of the file's content, such as [source.Document],
// [source.PEM] or source.Dotenv("EXCHANGE"). The default is [source.Plain], also if decode
// is nil. The option has no effect on a source of [Dir].
func WithDecoder(decode source.Decoder) Option {
	return func(s *Source) {
		if decode != nil {
			s.decode = decode
		}
	}
}

// WithNames sets the names of the files that [Dir] reads: those of the ID, the secret and
// the passphrase. If the name of the ID or the passphrase is empty, Dir does not read that
// file. If the name of the secret is empty, it is "api-secret". The file of the passphrase
// may be missing, the other files may not. A name that is "version" or "expires-at" is only
// that of a field. The option has no effect on a source of [New].
func WithNames(id, secret, passphrase string) Option {
	return func(s *Source) {
		if !s.dir {
			return
		}
		s.names = pair.Names{ID: id, Secret: cmp.Or(secret, "api-secret"), Passphrase: passphrase}
		s.fields = nil
		for _, name := range []string{s.names.ID, s.names.Secret, s.names.Passphrase} {
			if name != "" {
				s.fields = append(s.fields, field{name: name, path: filepath.Join(s.path, name), optional: name == passphrase})
			}
		}
		for _, name := range []string{versionFile, expiryFile} {
			if name != id && name != s.names.Secret && name != passphrase {
				s.fields = append(s.fields, field{name: name, path: filepath.Join(s.path, name), optional: true, about: true})
			}
		}
	}
}

// WithStrictPermissions makes Read fail with [source.ErrInvalid] if the group can write a
// file, if other users can read or write it, or if its owner is neither root nor the user of
// the process. Each directory on the path, and on the path of each symbolic link, must have
// such an owner too, and neither the group nor others may write it, unless it is sticky like
// /tmp. Mounted Secrets of Kubernetes and credentials of systemd satisfy this if others
// cannot read them (defaultMode: 0440).
//
// By default Read only warns, and only if the group or others can write the file. The option
// has no effect on Windows. On Plan 9 and WebAssembly it looks at modes only.
func WithStrictPermissions() Option { return func(s *Source) { s.strict = true } }

// String returns the source's URL, such as "file:///run/secrets/api-key", or
// "file:///C:/keys/api-key" on Windows. The URL of a directory ends in a slash.
func (s *Source) String() string {
	path := inURL(s.path, runtime.GOOS == "windows")
	if s.dir {
		path = strings.TrimSuffix(path, "/") + "/"
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// Read reads the file, or the directory's files, as they are now. It returns at once if the
// content has not changed, or if it was replaced as a whole. Otherwise it waits until no
// process is writing, for 1 s at most.
//
// An error is a [*source.Error]. It wraps [source.ErrNoKey] if the file does not exist,
// [source.ErrDenied] if it may not be read, [source.ErrInvalid] if it contains no key or if
// its permissions are refused, and [source.ErrUnavailable] if trying again may help: a
// process is writing the file, links form a loop, or the file system fails.
func (s *Source) Read(ctx context.Context) (source.Set, error) {
	if ctx.Err() != nil {
		return source.Set{}, s.stopped(ctx)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return source.Set{}, s.stopped(ctx)
	}
	// F106: a read from NFS or FUSE can hang after its context has ended. Then one goroutine,
	// and at most one for each source, waits for the file system.
	set, err := await.Call(ctx, func() (source.Set, error) {
		defer func() { <-s.turn }()
		return s.read(ctx)
	})
	if err != nil && err == ctx.Err() {
		err = s.stopped(ctx)
	}
	return set, err
}
