package file

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

func init() { source.Register("file", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
		return nil, errors.New("want file:///absolute/path")
	}
	param := make(map[string]string)
	for _, name := range []string{"format", "prefix", "strict", "id", "secret", "passphrase"} {
		if values, ok := query[name]; ok {
			if len(values) > 1 {
				return nil, fmt.Errorf("%s is given twice", name)
			}
			param[name] = values[0]
			query.Del(name)
		}
	}
	var opts []Option
	if text, ok := param["strict"]; ok {
		strict, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errors.New("strict is neither true nor false")
		}
		if strict {
			opts = append(opts, WithStrictPermissions())
		}
	}
	if isDir(u.Path, param) {
		if _, ok := param["format"]; ok {
			return nil, errors.New("format is for a file, not for a directory")
		}
		names := map[string]string{"id": "api-key", "secret": "api-secret", "passphrase": "passphrase"}
		for role := range names {
			if name, ok := param[role]; ok {
				if name != "" && (name != filepath.Base(name) || name == "." || name == "..") {
					return nil, fmt.Errorf("%s is not the name of a file in the directory", role)
				}
				names[role] = name
			}
		}
		return Dir(u.Path, append(opts, WithNames(names["id"], names["secret"], names["passphrase"]))...), nil
	}
	prefix, hasPrefix := param["prefix"]
	if hasPrefix && param["format"] != "dotenv" {
		return nil, errors.New("prefix is for format=dotenv")
	}
	switch param["format"] {
	case "", "plain":
	case "json":
		opts = append(opts, WithDecoder(source.Document))
	case "pem":
		opts = append(opts, WithDecoder(source.PEM))
	case "dotenv":
		opts = append(opts, WithDecoder(source.Dotenv(prefix)))
	default:
		return nil, errors.New("format is none of plain, json, pem, dotenv")
	}
	return New(u.Path, opts...), nil
}

func isDir(path string, param map[string]string) bool {
	for _, role := range []string{"id", "secret", "passphrase"} {
		if _, ok := param[role]; ok {
			return true
		}
	}
	if strings.HasSuffix(path, "/") {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
