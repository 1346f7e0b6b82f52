package env

import (
	"errors"
	"net/url"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() { source.Register("env", open, "pair") }

// open opens a source string. The package comment has its form.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if !isName(u.Host) || u.Path != "" && u.Path != "/" {
		return nil, errors.New("want env://NAME with the name of a variable")
	}
	pair, err := param.Bool(query, "pair")
	switch {
	case err != nil:
		return nil, err
	case pair:
		return Pair(u.Host), nil
	}
	return New(u.Host), nil
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
