package file

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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
	path := fromURL(u.Path, runtime.GOOS == "windows")
	if isDir(u.Path, path, query) {
		return openDir(path, query, opts)
	}
	decode, err := param.Decoder(query)
	if err != nil {
		return nil, err
	}
	return New(path, append(opts, WithDecoder(decode))...), nil
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

// isDir reports whether a source string with this path in its URL names a directory.
func isDir(inURL, path string, query url.Values) bool {
	if query.Has("id") || query.Has("secret") || query.Has("passphrase") || strings.HasSuffix(inURL, "/") {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// fromURL returns the path of the file that the path of a file URL names. On Windows /C:/key is
// C:\key, and //server/share/key is \\server\share\key (RFC 8089 appendix E.2 and E.3.2).
func fromURL(path string, windows bool) string {
	if !windows {
		return path
	}
	if drive.MatchString(path) {
		path = path[1:]
	}
	return strings.ReplaceAll(path, "/", `\`)
}

var drive = regexp.MustCompile(`^/[A-Za-z]:(/|$)`)

// inURL is the reverse of fromURL, for an absolute path (F154).
func inURL(path string, windows bool) string {
	if windows {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}
