package remote

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
	"github.com/rollingkeys/rollingkeys/source/internal/spell"
)

func init() {
	source.Register("https", open)
	source.Register("http", open) // New refuses hosts that are not loopback
}

// open opens a source string. The package comment has its parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	opts, err := parameters(query)
	if err != nil {
		return nil, err
	}
	// The other parameters are the endpoint's. They keep their order and their encoding, since
	// a signed query would not survive a change of either.
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err == nil && query.Has(name) {
			kept = append(kept, part)
		}
	}
	for name := range query {
		if err := checkForeign(name); err != nil {
			return nil, err
		}
	}
	clear(query)
	endpoint := *u
	endpoint.RawQuery = strings.Join(kept, "&")
	return New(endpoint.String(), opts...)
}

// checkForeign returns an error for a parameter that would be sent to the endpoint, but is
// probably meant for this SDK: one of another source, or one letter off (F152).
func checkForeign(name string) error {
	const instead = "such a parameter reaches the endpoint only if the URL is given to remote.New"
	if slices.Contains(param.Names, name) {
		return fmt.Errorf("the parameter %s is not for this source: %s", name, instead)
	}
	own := []string{"remote_auth", "remote_header", "remote_wait", "overlap", "poll", "max_stale"}
	for _, other := range param.Names {
		if len(other) > 5 { // a shorter one, such as field, is too near to other words
			own = append(own, other)
		}
	}
	if meant := spell.Meant(name, own); meant != "" {
		return fmt.Errorf("a parameter is misspelt: want %s; %s", meant, instead)
	}
	return nil
}

// parameters deletes the parameters of this package from query and returns their options.
func parameters(query url.Values) ([]Option, error) {
	waits, named, ok := query.Has("remote_wait"), query.Has("remote_header"), query.Has("remote_auth")
	own, err := param.Some(query, "remote_auth", "remote_header", "remote_wait")
	if err != nil {
		return nil, err
	}
	var opts []Option
	if waits {
		d, err := time.ParseDuration(own["remote_wait"])
		if err != nil || d < 0 {
			return nil, errors.New("remote_wait must be a duration such as 50s")
		}
		opts = append(opts, WithWait(d))
	}
	switch {
	case !ok && named:
		return nil, errors.New("remote_header needs remote_auth, the source of the header's value")
	case !ok:
		return opts, nil
	}
	from, params, err := source.Parse(own["remote_auth"])
	if failed, ok := errors.AsType[*source.Error](err); ok {
		err = failed.Err // drop the source's name: the user may have written a token here by mistake
	}
	if err != nil {
		return nil, fmt.Errorf("remote_auth: %w", err)
	}
	if len(params) > 0 {
		return nil, errors.New("remote_auth: overlap, poll and max_stale are not allowed here: write them outside of remote_auth")
	}
	if named {
		return append(opts, WithHeader(own["remote_header"], from)), nil
	}
	return append(opts, WithBearer(from)), nil
}
