package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go"

	"github.com/rollingkeys/rollingkeys/source"
)

// environment returns the credentials that the environment names. It reads the variables again
// for each call, so that the keys may change. Without them it uses a container's endpoint.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
func environment() (aws.CredentialsProvider, error) {
	endpoint, err := containerEndpoint()
	if err != nil {
		return nil, err
	}
	var container aws.CredentialsProvider
	if endpoint != "" {
		container = aws.NewCredentialsCache(endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
			// F89, F104; no proxy, since the endpoint is local to the host
			o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			o.Retryer = aws.NopRetryer{} // the ring backs off
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(containerToken)
		}))
	}
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c := aws.Credentials{
			AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
			SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
		}
		switch {
		case c.AccessKeyID != "" && c.SecretAccessKey != "":
			return c, nil
		case container == nil:
			return aws.Credentials{}, denied("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
		}
		c, err := container.Retrieve(ctx)
		if _, refused := errors.AsType[smithy.APIError](err); refused {
			return aws.Credentials{}, denied("the container's endpoint refused to return credentials")
		}
		return c, err
	}), nil
}

func denied(why string) error {
	return &source.Error{Source: "environment", Err: fmt.Errorf("%w: %s", source.ErrDenied, why)}
}

// containerEndpoint returns the credentials endpoint of ECS or EKS Pod Identity, or "" outside
// of both. It allows plain http only to the host itself and to the addresses of these two.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func containerEndpoint() (string, error) {
	if path := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		return "http://169.254.170.2" + path, nil
	}
	full := os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if full == "" {
		return "", nil
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is not an http or https URL")
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	switch own := ip.String(); {
	case u.Scheme == "https", ip.IsLoopback(), own == "169.254.170.2", own == "169.254.170.23", own == "fd00:ec2::23":
		return full, nil
	}
	return "", errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI must not be plain http to another host: use https")
}

// containerToken returns the token that authenticates the process to the endpoint. It reads the
// file each time, since the file is replaced now and then.
func containerToken() (string, error) {
	path := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
	if path == "" {
		return os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"), nil
	}
	data, err := os.ReadFile(path)
	return strings.TrimSpace(string(data)), err
}
