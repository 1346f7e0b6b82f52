package env

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/rollingkeys/rollingkeys/source"
)

func init() { source.Register("env", open) }

// open opens a source string; the package comment has the form.
func open(u *url.URL, query url.Values) (source.Source, error) {
	if !isName(u.Host) || u.Path != "" && u.Path != "/" {
		return nil, errors.New("want env://NAME")
	}
	if !query.Has("pair") {
		return New(u.Host), nil
	}
	pair, err := strconv.ParseBool(query.Get("pair"))
	if err != nil || len(query["pair"]) > 1 {
		return nil, errors.New("pair is neither true nor false")
	}
	query.Del("pair")
	if pair {
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
