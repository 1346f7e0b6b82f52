package remote

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("https", open)
	source.Register("http", open) // New refuses hosts that are not loopback
}

// open makes a source of a source string; see the package comment.
func open(u *url.URL, query url.Values) (source.Source, error) {
	opts, err := parameters(query)
	if err != nil {
		return nil, err
	}
	// What is left belongs to the endpoint and is kept as it was written, in
	// its order: a signed query would not survive being encoded anew.
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err == nil && query.Has(name) {
			kept = append(kept, part)
		}
	}
	clear(query)
	endpoint := *u
	endpoint.RawQuery = strings.Join(kept, "&")
	return New(endpoint.String(), opts...)
}

// parameters takes our own out of query.
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
			return nil, errors.New("remote_wait is not a duration such as 50s")
		}
		opts = append(opts, WithWait(d))
	}
	switch {
	case !ok && named:
		return nil, errors.New("remote_header without remote_auth")
	case !ok:
		return opts, nil
	}
	from, params, err := source.Parse(own["remote_auth"])
	if failed, ok := errors.AsType[*source.Error](err); ok {
		err = failed.Err // without its name: the text may be a token that was put here by mistake
	}
	if err != nil {
		return nil, fmt.Errorf("remote_auth: %w", err)
	}
	if len(params) > 0 {
		return nil, errors.New("remote_auth: overlap, poll and max_stale have no meaning here")
	}
	if named {
		return append(opts, WithHeader(own["remote_header"], from)), nil
	}
	return append(opts, WithBearer(from)), nil
}
