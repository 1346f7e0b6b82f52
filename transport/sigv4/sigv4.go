package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

const (
	sessionToken  = "X-Amz-Security-Token"
	contentSHA256 = "X-Amz-Content-Sha256"
)

// Profile returns the scheme and the classifier of one service in one region as a
// profile, for client.WithProvider. The caller must name the origins.
func Profile(service, region string) provider.Profile {
	return provider.Profile{Name: "aws", Scheme: Scheme(service, region), Classifier: Classifier}
}

// Scheme returns a scheme that signs for one service in one region, both named as in a
// credential scope of AWS, such as "execute-api" and "eu-central-1". It follows the
// server's clock.
func Scheme(service, region string) transport.Scheme {
	return &scheme{service: service, region: region, now: time.Now}
}

type scheme struct {
	service, region string
	now             func() time.Time // time.Now, except in tests
	ahead           atomic.Int64     // how far the server's clock is ahead of the local one, in nanoseconds
	moved           atomic.Int64     // the local time of the last correction; 0 if there was none
}

// Traits names the headers that only the scheme may set.
func (s *scheme) Traits() transport.Traits {
	return transport.Traits{Headers: []string{"Authorization", sessionToken}, NotIdempotent: effect, Resync: s.resync}
}

// effect reports whether a GET may do more than read. The query APIs, such as EC2's and
// SQS's, also take every action by GET.
func effect(req *http.Request) bool {
	if !strings.Contains(req.URL.RawQuery, "Action=") {
		return false
	}
	action := req.URL.Query().Get("Action")
	return action != "" && !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List")
}

// Prepare checks that a header can carry the access key id and the session token.
func (s *scheme) Prepare(key source.Key) (transport.Signer, error) {
	if s.service == "" || s.region == "" {
		return nil, fmt.Errorf("sigv4: %w: Scheme: the service or the region is empty", source.ErrUnusable)
	}
	sign, err := prepare(key)
	if err != nil {
		return nil, err
	}
	return transport.SignerFunc(func(req *http.Request) error {
		hash := req.Header.Get(contentSHA256)
		if hash == "" {
			body, err := transport.Body(req)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(body)
			hash = hex.EncodeToString(sum[:])
			if escapedOnce(s.service) {
				req.Header[contentSHA256] = []string{hash}
			}
		}
		u := *req.URL // the signer changes it
		req.URL = &u
		return sign(req, scope{s.service, s.region, hash, s.now().Add(time.Duration(s.ahead.Load()))})
	}), nil
}

// maxAhead is the largest difference of clocks that is corrected.
const maxAhead = time.Hour

const (
	// minMove is the smallest difference that is corrected: AWS takes minutes.
	minMove = 2 * time.Second
	// settling is how long after a correction the refusal of a request may arrive that was
	// signed before it.
	settling = 10 * time.Second
)

// resync learns the server's time from an answer that refused the request's time. It returns
// true if the time moved, or a moment ago, for requests that were signed before (F165).
func (s *scheme) resync(a *transport.Answer) bool {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return false
	}
	now := s.now()
	ahead := date.Sub(now)
	if ahead.Abs() > maxAhead {
		return false
	}
	if (ahead - time.Duration(s.ahead.Load())).Abs() < minMove {
		moved := s.moved.Load()
		return moved != 0 && now.Sub(time.Unix(0, moved)).Abs() < settling
	}
	s.moved.Store(now.UnixNano()) // first: who sees the new time also sees that it moved
	s.ahead.Store(int64(ahead))
	return true
}
