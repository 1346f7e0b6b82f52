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

// signFunc signs a request with one key. It is a function because it holds the
// secret: printing reaches into a struct (F93).
type signFunc func(*http.Request, scope) error

// scope is what a signature is about besides the request.
type scope struct {
	service, region string
	hash            string // of the body, or what S3 has in its place
	at              time.Time
}

// prepare makes the signFunc of a key.
func prepare(key source.Key) (signFunc, error) {
	credentials, err := credentials(key)
	if err != nil {
		return nil, err
	}
	// One signer a version: it caches derived keys by the access key id, and
	// would go on with the old secret of an id (F91).
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

// credentials returns key as the AWS SDK has it, if it can be sent.
func credentials(key source.Key) (aws.Credentials, error) {
	session := key.Extra["session_token"]
	var what string
	switch {
	case key.ID == "" || !visible(key.ID) || strings.ContainsAny(key.ID, "/,"):
		what = "the ID is not an access key id"
	case key.Secret.IsZero() || !visible(key.Secret.Expose()):
		what = "the secret is empty, or not visible ASCII"
	case !visible(session.Expose()):
		what = "the session token is not visible ASCII"
	default:
		return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret.Expose(), SessionToken: session.Expose()}, nil
	}
	return aws.Credentials{}, fmt.Errorf("sigv4: %w: %s", source.ErrUnusable, what)
}

// escapedOnce reports whether a service takes the path in the signature as it is in
// the URL. All but S3 want it escaped once more.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
func escapedOnce(service string) bool {
	return service == "s3" || service == "s3express" || strings.HasPrefix(service, "s3-")
}

func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
