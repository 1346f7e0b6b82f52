package remote

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

const (
	// readTimeout bounds one reading with all tries, redirects, the token and the body (F79).
	// It is shorter than the ring's default of 30 s.
	readTimeout = 20 * time.Second

	maxETag = 1 << 10 // bytes; a longer one is not sent back
)

// A reading is one response of the endpoint. It is immutable: the ETag and the document change
// together or not at all. Each call of set decodes the document again, so that callers share
// no map (F83).
type reading struct {
	etag     string
	body     source.Secret
	at       time.Time
	freshFor time.Duration
	applied  bool // the response has Preference-Applied: wait
}

func (r reading) set() (source.Set, error) {
	set, err := source.Document([]byte(r.body.Expose()))
	set.FreshFor, set.AsOf = r.freshFor, r.at
	return set, err
}

// same reports whether r and o have the same document and the same ETag.
func (r reading) same(o reading) bool { return r.etag == o.etag && r.body.Equal(o.body) }

func (s *Source) peek() reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// keep makes r the last reading. r must have been checked.
func (s *Source) keep(r reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = r
	if r.etag == "" {
		return
	}
	select {
	case <-s.tagged:
	default:
		close(s.tagged)
	}
}

// get requests the document, unless it is the same as base, and checks the response. If wait
// is not 0, the request is a long poll.
func (s *Source) get(ctx context.Context, base reading, wait time.Duration) (reading, error) {
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint.Expose(), nil)
		if err != nil {
			return reading{}, s.fail(fmt.Errorf("%w: the URL is not valid in a request", source.ErrInvalid))
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("Cache-Control", "no-cache") // shared caches must ask the origin (RFC 9111 section 5.2.1.4)
		req.Header.Set("User-Agent", "rollingkeys")
		if base.etag != "" {
			req.Header.Set("If-None-Match", base.etag)
		}
		if wait > 0 {
			req.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait/time.Second)))
		}
		used, err := s.auth.authorize(ctx, req.Header)
		if err != nil {
			return reading{}, s.fail(err)
		}
		resp, err := s.send(req, wait > 0)
		if err != nil {
			return reading{}, s.fail(reply.Missing(ctx, err))
		}
		// F88: the token may have been revoked, so try once more with another.
		if resp.StatusCode == http.StatusUnauthorized && try == 1 && s.auth.drop != nil {
			discard(resp.Body)
			s.auth.drop(used)
			continue
		}
		got, err := s.check(ctx, resp, base)
		if err != nil {
			failed := s.fail(err)
			failed.RetryAfter = reply.RetryAfter(resp.Header, time.Now())
			return reading{}, failed
		}
		return got, nil
	}
}

func (s *Source) send(req *http.Request, longPoll bool) (*http.Response, error) {
	if longPoll {
		return s.once.Do(req) // the loop of Notify decides when to try again
	}
	again, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return s.again.Do(again)
}

// check checks resp and returns it as a reading. It closes the body.
func (s *Source) check(ctx context.Context, resp *http.Response, base reading) (reading, error) {
	r := reading{at: time.Now(), freshFor: reply.FreshFor(resp.Header), applied: waitApplied(resp.Header)}
	if resp.StatusCode != http.StatusOK {
		discard(resp.Body)
		if resp.StatusCode != http.StatusNotModified {
			return reading{}, statusError(resp.StatusCode)
		}
		if base.etag == "" { // F80
			return reading{}, fmt.Errorf("%w: status 304 to a request without If-None-Match", source.ErrInvalid)
		}
		r.etag, r.body = base.etag, base.body
		return r, nil
	}
	defer resp.Body.Close()
	if err := checkType(resp.Header); err != nil {
		return reading{}, err
	}
	data, err := decode.ReadAll(resp.Body)
	switch {
	case errors.Is(err, decode.ErrTooLong):
		return reading{}, err
	case err != nil:
		return reading{}, reply.Missing(ctx, err)
	}
	r.body = source.NewSecret(string(data))
	if _, err := r.set(); err != nil {
		return reading{}, err
	}
	if etag := resp.Header.Get("ETag"); len(etag) <= maxETag {
		r.etag = etag
	}
	return r, nil
}

// checkType accepts uncompressed JSON in UTF-8. It refuses a login page, or a document that a
// proxy has transformed, before the body is read (F82).
func checkType(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fmt.Errorf("%w: the response is compressed, although the request said Accept-Encoding: identity", source.ErrInvalid)
	}
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return fmt.Errorf("%w: its Content-Type is not JSON", source.ErrInvalid)
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		return fmt.Errorf("%w: its charset is not UTF-8", source.ErrInvalid)
	}
	return nil
}
