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

// Profile returns the scheme and the classifier of one service in one region as
// a profile, for client.WithProvider. Name its origins yourself: they are yours.
func Profile(service, region string) provider.Profile {
	return provider.Profile{Name: "aws", Scheme: Scheme(service, region), Classifier: Classifier}
}

// Scheme returns a scheme that signs for one service in one region, both as AWS
// names them in a credential scope: "execute-api", "eu-central-1". It
// follows the server's clock.
func Scheme(service, region string) transport.Scheme {
	return &scheme{service: service, region: region, now: time.Now}
}

type scheme struct {
	service, region string
	now             func() time.Time // time.Now but in tests
	ahead           atomic.Int64     // of the local clock, the server's is, in ns
}

// Traits names the headers that are the scheme's alone.
func (s *scheme) Traits() transport.Traits {
	return transport.Traits{Headers: []string{"Authorization", sessionToken}, NotIdempotent: effect, Resync: s.resync}
}

// effect reports whether a GET may do more than read: the query APIs, such as EC2's
// and SQS's, take every action by GET too.
func effect(req *http.Request) bool {
	if !strings.Contains(req.URL.RawQuery, "Action=") {
		return false
	}
	action := req.URL.Query().Get("Action")
	return action != "" && !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List")
}

// Prepare checks that there is an access key id and a secret that go with a header.
func (s *scheme) Prepare(key source.Key) (transport.Signer, error) {
	if s.service == "" || s.region == "" {
		return nil, fmt.Errorf("sigv4: %w: no service or no region to sign for", source.ErrUnusable)
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
		u := *req.URL // the signer writes to it
		req.URL = &u
		return sign(req, scope{s.service, s.region, hash, s.now().Add(time.Duration(s.ahead.Load()))})
	}), nil
}

// maxAhead is the most that a server's clock is believed to differ.
const maxAhead = time.Hour

// resync takes the server's time out of an answer that refused ours.
func (s *scheme) resync(a *transport.Answer) bool {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return false
	}
	ahead := date.Sub(s.now())
	if ahead.Abs() > maxAhead {
		return false
	}
	s.ahead.Store(int64(ahead))
	return true
}
