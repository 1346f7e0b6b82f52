package sigv4

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rollingkeys/rollingkeys/source"
)

// signFunc signs a request with one key. It is a function because it holds the secret:
// fmt prints the fields of a struct (F93).
type signFunc func(*http.Request, scope) error

// scope is what a signature covers besides the request.
type scope struct {
	service, region string
	hash            string // of the body, or the value that S3 takes instead
	at              time.Time
}

// prepare returns the signFunc of a key.
func prepare(key source.Key) (signFunc, error) {
	credentials, err := credentials(key)
	if err != nil {
		return nil, err
	}
	// Each version has its own signer. A signer caches derived keys by the access key id,
	// so a shared one would go on using the old secret of an id (F91).
	signer := v4.NewSigner()
	return func(req *http.Request, s scope) error {
		err := signer.SignHTTP(req.Context(), credentials, req, s.hash, s.service, s.region, s.at, func(o *v4.SignerOptions) {
			o.DisableURIPathEscaping = escapedOnce(s.service)
		})
		if err != nil {
			return fmt.Errorf("sigv4: %w: the request cannot be signed", source.ErrUnusable)
		}
		return nil
	}, nil
}

// credentials returns key in the form of the AWS SDK, or an error if a header cannot
// carry it.
func credentials(key source.Key) (aws.Credentials, error) {
	session := key.Extra["session_token"]
	var what string
	switch {
	case key.ID == "" || !visible(key.ID) || strings.ContainsAny(key.ID, "/,"):
		what = "the key's ID is empty or not an access key id"
	case key.Secret.IsZero() || !visible(key.Secret.Expose()):
		what = "the key's secret is empty or not visible ASCII"
	case !visible(session.Expose()):
		what = "the key's session token is not visible ASCII"
	default:
		return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret.Expose(), SessionToken: session.Expose()}, nil
	}
	return aws.Credentials{}, fmt.Errorf("sigv4: %w: %s", source.ErrUnusable, what)
}

// escapedOnce reports whether a service signs the path as it is in the URL. All
// services except S3 sign it escaped once more.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
func escapedOnce(service string) bool {
	return service == "s3" || service == "s3express" || strings.HasPrefix(service, "s3-")
}

func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
