package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/clock"
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
	s := &scheme{service: service, region: region}
	s.clock.Local, s.clock.Least = time.Now, 2*time.Second // AWS takes minutes
	return s
}

type scheme struct {
	service, region string
	clock           clock.Clock
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
		return sign(req, scope{s.service, s.region, hash, s.clock.Now()})
	}), nil
}

// resync learns the server's time from an answer that refused the request's time.
func (s *scheme) resync(a *transport.Answer) bool {
	date, err := http.ParseTime(a.Header.Get("Date"))
	return err == nil && s.clock.Learn(date)
}
