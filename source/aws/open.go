package aws

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

func init() { source.Register("aws", open, "id", "secret", "passphrase", "format", "prefix") }

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	region, secret := u.Host, strings.TrimPrefix(u.Path, "/")
	if region == "" {
		region = os.Getenv("AWS_REGION")
	}
	if region == "" {
		region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if region == "" || secret == "" {
		return nil, errors.New("want aws://REGION/SECRET, or aws:///SECRET with AWS_REGION set")
	}
	decode, err := pair.Decoder(query)
	if err != nil {
		return nil, err
	}
	credentials, err := environment()
	if err != nil {
		return nil, err
	}
	o := secretsmanager.Options{Region: region, Credentials: credentials, HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DisableKeepAlives = true // F104: a source has no Close, and a reading is mostly one call
	})}
	for _, name := range []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"} {
		if text := os.Getenv(name); text != "" && o.BaseEndpoint == nil {
			o.BaseEndpoint = &text
		}
	}
	return New(secretsmanager.New(o), secret, WithDecoder(decode)), nil
}
