package file

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("file", open, "format", "prefix", "id", "secret", "passphrase", "strict")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
		return nil, errors.New("want file:///PATH with an absolute path")
	}
	strict, err := param.Bool(query, "strict")
	if err != nil {
		return nil, err
	}
	var opts []Option
	if strict {
		opts = append(opts, WithStrictPermissions())
	}
	if isDir(u.Path, query) {
		return openDir(u.Path, query, opts)
	}
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	return New(u.Path, append(opts, WithDecoder(decode))...), nil
}

func openDir(path string, query url.Values, opts []Option) (source.Source, error) {
	if query.Has("format") {
		return nil, errors.New("the parameter format is for a file, but the path is a directory")
	}
	names := map[string]string{"id": "api-key", "secret": "api-secret", "passphrase": "passphrase"}
	for role := range names {
		if !query.Has(role) {
			continue
		}
		name, err := param.One(query, role)
		if err != nil {
			return nil, err
		}
		if name != "" && (name != filepath.Base(name) || name == "." || name == "..") {
			return nil, fmt.Errorf("the parameter %s must be the name of a file in the directory, without a slash", role)
		}
		names[role] = name
	}
	return Dir(path, append(opts, WithNames(names["id"], names["secret"], names["passphrase"]))...), nil
}

func isDir(path string, query url.Values) bool {
	if query.Has("id") || query.Has("secret") || query.Has("passphrase") || strings.HasSuffix(path, "/") {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
